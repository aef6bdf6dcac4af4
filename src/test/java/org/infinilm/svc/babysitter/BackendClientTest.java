package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

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
}
