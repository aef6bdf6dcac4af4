package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelRewriteTest {
  private static String rewritten(String body, String model) {
    byte[] bytes = body.getBytes(UTF_8);
    int half = bytes.length / 2;
    ByteBuf whole =
        Unpooled.wrappedBuffer(
            Unpooled.wrappedBuffer(bytes, 0, half),
            Unpooled.wrappedBuffer(bytes, half, bytes.length - half));
    ByteBuf out = ModelRewrite.of(whole, model);
    assertThat(whole.readableBytes()).isEqualTo(bytes.length);
    return out.toString(UTF_8);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"model\":\"a\",\"x\":1} | {\"model\":\"new\",\"x\":1}",
        "{\"x\":{\"model\":\"a\"}, \"model\" : \"a\\u0061\\\"b\" , \"y\":[\"model\"]} | {\"x\":{\"model\":\"a\"}, \"model\" : \"new\" , \"y\":[\"model\"]}",
        "{\"ü\":\"日本語\",\"model\":\"日\",\"z\":\"本\"} | {\"ü\":\"日本語\",\"model\":\"new\",\"z\":\"本\"}",
        "{\"model\":\"a\",\"model\":\"a\"} | {\"model\":\"new\",\"model\":\"new\"}",
        "{\"model\":\"a\",\"x\":tru | {\"model\":\"new\",\"x\":tru",
        "{\"model\":null} | {\"model\":null}",
        "[] | []",
      })
  void onlyTheTopLevelModelChanges(String body, String expected) {
    assertThat(rewritten(body, "new")).isEqualTo(expected);
  }

  @Test
  void aLongBodyWithTheModelLastKeepsEveryByte() {
    String text = "日".repeat(100_000);
    String body = "{\"messages\":\"" + text + "\",\"model\":\"a\"}";
    assertThat(rewritten(body, "q\"x"))
        .isEqualTo("{\"messages\":\"" + text + "\",\"model\":\"q\\\"x\"}");
  }
}
