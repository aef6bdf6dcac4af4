package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BackendClientTest {
  private static List<Object> ids(String json) throws IOException {
    return BackendClient.parseModels("/v1/models", json.getBytes(StandardCharsets.UTF_8)).stream()
        .map(m -> m.get("id"))
        .toList();
  }

  @Test
  void modelsComeAsDataOrAsABareArray() throws IOException {
    assertThat(ids("{\"data\":[{\"id\":\"a\",\"max_model_len\":4096},{\"id\":\"b\"}]}"))
        .containsExactly("a", "b");
    assertThat(ids("[{\"id\":\"a\"},\"b\",{\"id\":5},7]")).containsExactly("a", "b");
    assertThat(ids("{\"data\":{}}")).isEmpty();
  }

  @Test
  void otherFieldsOfAModelAreKept() throws IOException {
    byte[] json = "[{\"id\":\"a\",\"max_model_len\":4096}]".getBytes(StandardCharsets.UTF_8);
    assertThat(BackendClient.parseModels("/models", json))
        .singleElement()
        .satisfies(m -> assertThat(m).containsEntry("max_model_len", 4096));
  }

  @Test
  void whatIsNoJsonIsNamed() {
    assertThatThrownBy(() -> ids("<html>"))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("/v1/models");
  }

  @Test
  void aListOfManySmallValuesCostsWhatIsKeptOfIt() throws IOException {
    StringBuilder many = new StringBuilder("[");
    for (int m = 0; m < 15_000; m++) {
      many.append(m == 0 ? "" : ",").append("{\"x\":{");
      for (int v = 0; v < 30; v++) {
        many.append(v == 0 ? "" : ",").append("\"n").append(m).append('_').append(v).append("\":1");
      }
      many.append("},\"id\":\"m").append(m).append("\",\"max_model_len\":8}");
    }
    byte[] json = many.append(']').toString().getBytes(StandardCharsets.UTF_8);

    List<Map<String, Object>> models = BackendClient.parseModels("/models", json);

    assertThat(models).hasSize(15_000);
    assertThat(models.getFirst()).containsOnlyKeys("id", "x", "max_model_len");
    assertThat(models.getLast()).isEqualTo(Map.of("id", "m14999", "max_model_len", 8));
    assertThat(values(models)).isLessThan(70_000);
    assertThat(ModelList.compact(json).length).isLessThan(1 << 20);
  }

  /// How many values, names and containers are held.
  private static long values(Object o) {
    return switch (o) {
      case Map<?, ?> m -> 1 + m.values().stream().mapToLong(BackendClientTest::values).sum();
      case List<?> l -> 1 + l.stream().mapToLong(BackendClientTest::values).sum();
      default -> 1;
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"{}", "7", "null", "[]", "\"m\"", "{\"a\":[]}"})
  void ofAHugeListOnlyModelsCountWhateverItHolds(String element) throws IOException {
    String all = ("," + element).repeat((8 << 20) / (element.length() + 1)).substring(1);
    byte[] json = ("{\"data\":[" + all + "]}").getBytes(StandardCharsets.UTF_8);
    if (element.equals("\"m\"")) {
      assertThatThrownBy(() -> BackendClient.parseModels("/models", json))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("more than 20000 models");
    } else {
      assertThat(BackendClient.parseModels("/models", json)).isEmpty();
      assertThat(ModelList.compact(json).length).isLessThan(100);
    }
  }

  @Test
  void textsWithoutEndAndDeepNestingAreRefused() {
    String long_ = "a".repeat(3 << 20);
    assertThatThrownBy(() -> ids("[\"" + long_ + "\"]")).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> ids("[{\"id\":\"m\",\"x\":" + "[".repeat(5000)))
        .isInstanceOf(IOException.class);
    assertThatThrownBy(() -> ids("[\"m\"] and more")).isInstanceOf(IOException.class);
  }

  @Test
  void aListMayBeginWithAByteOrderMark() throws IOException {
    assertThat(ids("\uFEFF[\"m\"]")).containsExactly("m");
  }
}
