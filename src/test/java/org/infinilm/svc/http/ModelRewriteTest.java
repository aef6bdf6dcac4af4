package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.zip.GZIPOutputStream;
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
    ByteBuf out = ModelRewrite.of(whole, null, null, model).body();
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
  void aFormsFieldChangesWhereverItStands() {
    String type = "multipart/form-data; boundary=b";
    String file =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
            + "model\r\n--bx".repeat(5000)
            + "\r\n";
    String field = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n";
    for (String form :
        List.of(file + field + "--b--\r\n", field + file + "--b--", field + field + "--b--")) {
      ByteBuf in = Unpooled.copiedBuffer(form.replace("%s", "gpt-4"), UTF_8);
      assertThat(ModelRewrite.of(in, type, null, "日").body().toString(UTF_8))
          .isEqualTo(form.replace("%s", "日"));
    }
  }

  @Test
  void aCodingIsUndoneAndDamageGoesOnAsItCame() throws IOException {
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(zipped)) {
      z.write("{\"x\":[1],\"model\":\"a\"}".getBytes(UTF_8));
    }
    ModelRewrite.Rewritten r =
        ModelRewrite.of(Unpooled.wrappedBuffer(zipped.toByteArray()), null, "gzip", "new");
    assertThat(r.decoded()).isTrue();
    assertThat(r.body().toString(UTF_8)).isEqualTo("{\"x\":[1],\"model\":\"new\"}");
    ByteBuf broken = Unpooled.wrappedBuffer(zipped.toByteArray(), 0, 15);
    ModelRewrite.Rewritten same = ModelRewrite.of(broken, null, "gzip", "new");
    assertThat(same.decoded()).isFalse();
    assertThat(same.body()).isEqualTo(broken);
  }

  @Test
  void aLongBodyWithTheModelLastKeepsEveryByte() {
    String text = "日".repeat(100_000);
    String body = "{\"messages\":\"" + text + "\",\"model\":\"a\"}";
    assertThat(rewritten(body, "q\"x"))
        .isEqualTo("{\"messages\":\"" + text + "\",\"model\":\"q\\\"x\"}");
  }
}
