package org.infinilm.svc.load;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChunkReaderTest {
  private final ChunkReader reader = new ChunkReader(true);

  private boolean read(String json) {
    byte[] b = json.getBytes(UTF_8);
    return reader.read(b, b.length);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"choices\":[{\"delta\":{\"content\":\"hi\"}}]} | true | true",
        "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]} | true | false",
        "{\"choices\":[{\"delta\":{\"content\":\"\"}}]} | true | true",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]} | true | false",
        "{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]} | true | true",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"x\"}]}}]} | true | true",
        "{\"choices\":[{\"text\":\"a\",\"index\":0}]} | true | true",
        "{\"choices\":[{\"text\":\"\"}]} | true | false",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}} | false | false",
        "{\"id\":\"x\",\"choices\":null} | false | false",
        "{\"a\":{\"b\":[1,{\"c\":2}]},\"choices\":[{\"x\":[1],\"delta\":{\"content\":\"y\"}},{\"index\":1}]} | true | true"
      })
  void whatCountsAsATokenIsWhatVllmsBenchCounts(String json, boolean choice, boolean output) {
    assertThat(read(json)).isTrue();
    assertThat(reader.hasChoice()).isEqualTo(choice);
    assertThat(reader.hasOutput()).isEqualTo(output);
  }

  @Test
  void usageIsReadWhereverItStands() {
    assertThat(
            read(
                "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"prompt_tokens_details\":{\"audio\":{\"x\":1},\"cached_tokens\":4}},\"choices\":[]}"))
        .isTrue();
    assertThat(reader.hasUsage()).isTrue();
    assertThat(reader.promptTokens()).isEqualTo(7);
    assertThat(reader.completionTokens()).isEqualTo(3);
    assertThat(reader.cachedTokens()).isEqualTo(4);
    assertThat(read("{\"usage\":{\"prompt_tokens\":2,\"prompt_tokens_details\":null}}")).isTrue();
    assertThat(reader.completionTokens()).isEqualTo(-1);
    assertThat(reader.cachedTokens()).isEqualTo(-1);
  }

  @Test
  void bothKindsOfErrorAreRead() {
    assertThat(read("{\"error\":{\"code\":\"x\",\"message\":\"too long\",\"param\":{}}}")).isTrue();
    assertThat(reader.error()).isEqualTo("too long");
    assertThat(read("{\"error\":\"plain\"}")).isTrue();
    assertThat(reader.error()).isEqualTo("plain");
    assertThat(read("{\"error\":null}")).isTrue();
    assertThat(reader.error()).isNull();
  }

  @Test
  void aChunkThatCarriesTheTextTwiceGivesItOnce() {
    assertThat(read("{\"choices\":[{\"text\":\"a\",\"delta\":{\"content\":\"a\"}}]}")).isTrue();
    assertThat(reader.text()).isEqualTo("a");
    assertThat(read("{\"choices\":[{\"delta\":{\"content\":\"b\"},\"text\":\"b\"}]}")).isTrue();
    assertThat(reader.text()).isEqualTo("b");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "x", "[]", "{\"choices\":[", "{\"choices\":[{]}", "<html>"})
  void whatIsNoJsonObjectIsRefused(String text) {
    assertThat(read(text)).isFalse();
  }

  private Map<Integer, String> ends() {
    Map<Integer, String> out = new TreeMap<>();
    reader.eachEnd((reason, choice) -> out.put(choice, reason));
    return out;
  }

  @Test
  void everyChoiceIsRead() {
    assertThat(
            read(
                "{\"choices\":[{\"index\":1,\"message\":{\"content\":\"ab\"},\"finish_reason\":\"abort\"},"
                    + "{\"index\":0,\"text\":\"c\",\"finish_reason\":\"stop\"},"
                    + "{\"text\":\"d\",\"finish_reason\":\"length\"},{\"finish_reason\":null}]}"))
        .isTrue();
    assertThat(ends()).isEqualTo(Map.of(0, "stop", 1, "abort", 2, "length"));
    assertThat(reader.text()).isEqualTo("abcd");
    assertThat(read("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}")).isTrue();
    assertThat(ends()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"-3", "3.5", "\"16\"", "true", "[]", "{\"a\":1}", "99999999999999999999"})
  void aCountThatNoUsageCanHaveIsTold(String count) {
    assertThat(
            read(
                "{\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":"
                    + count
                    + "}}"))
        .isTrue();
    assertThat(reader.badUsage()).startsWith("usage.completion_tokens: ");
    assertThat(reader.completionTokens()).isEqualTo(-1);
    assertThat(read("{\"usage\":{\"prompt_tokens\":null,\"completion_tokens\":16.0}}")).isTrue();
    assertThat(reader.badUsage()).isNull();
    assertThat(reader.completionTokens()).isEqualTo(16);
  }
}
