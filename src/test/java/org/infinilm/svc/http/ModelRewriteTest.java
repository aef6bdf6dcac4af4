package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.http.ModelRewrite.Rewritten;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelRewriteTest {
  /// Room for so many bytes.
  private static final class Some implements Room {
    private final long most;
    long taken;

    Some(long most) {
      this.most = most;
    }

    @Override
    public boolean take(long bytes) {
      boolean fits = taken + bytes <= most;
      taken += fits ? bytes : 0;
      return fits;
    }

    @Override
    public void giveBack(long bytes) {
      taken -= bytes;
    }
  }

  private static final Room NONE = new Some(0);

  private static ByteBuf zipped(String text) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
      z.write(text.getBytes(UTF_8));
    }
    return Unpooled.wrappedBuffer(out.toByteArray());
  }

  private static String taken(Rewritten r) {
    String text = r.body().toString(UTF_8);
    r.release();
    return text;
  }

  private static String rewritten(String body, String model) {
    byte[] bytes = body.getBytes(UTF_8);
    int half = bytes.length / 2;
    ByteBuf whole =
        Unpooled.wrappedBuffer(
            Unpooled.wrappedBuffer(bytes, 0, half),
            Unpooled.wrappedBuffer(bytes, half, bytes.length - half));
    String out = taken(ModelRewrite.of(whole, null, null, model, NONE));
    assertThat(whole.readableBytes()).isEqualTo(bytes.length);
    assertThat(whole.refCnt()).isOne();
    return out;
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
      assertThat(taken(ModelRewrite.of(in, type, null, "日", NONE)))
          .isEqualTo(form.replace("%s", "日"));
    }
  }

  @Test
  void aCodingIsUndoneAndDamageGoesOnAsItCame() throws IOException {
    Some room = new Some(1 << 20);
    ByteBuf whole = zipped("{\"x\":[1],\"model\":\"a\"}");
    Rewritten r = ModelRewrite.of(whole, null, "gzip", "new", room);
    assertThat(r.decoded()).isTrue();
    assertThat(taken(r)).isEqualTo("{\"x\":[1],\"model\":\"new\"}");
    ByteBuf broken = whole.copy(0, 15);
    Rewritten same = ModelRewrite.of(broken, null, "gzip", "new", room);
    assertThat(same.decoded()).isFalse();
    assertThat(same.body()).isEqualTo(broken);
    same.release();
    assertThat(room.taken).isZero();
  }

  @Test
  void whatACodingHidIsCountedAsLongAsItIsHeldAndNullWhenThereIsNoRoom() throws IOException {
    String text = "{\"model\":\"a\",\"x\":\"" + "日本".repeat(400_000) + "\"}";
    ByteBuf whole = zipped(text);
    Some room = new Some(4 << 20);
    Rewritten r = ModelRewrite.of(whole, null, "gzip", "a", room);
    assertThat(room.taken).isBetween((long) text.getBytes(UTF_8).length, 3L << 20);
    assertThat(taken(r)).isEqualTo(text);
    assertThat(room.taken).isZero();
    Some little = new Some(1 << 20);
    assertThat(ModelRewrite.of(whole, null, "gzip", "a", little)).isNull();
    assertThat(little.taken).isZero();
  }

  /// JSON's own limits are the only ones: what routing reads, rewriting reads.
  @Test
  void longNumbersKeysAndDeepArraysBeforeTheModelHideItNot() {
    for (String first :
        List.of(
            "\"seed\":" + "1".repeat(5000),
            "\"y\":-0." + "7".repeat(5000) + "e5",
            "\"" + "k".repeat(70_000) + "\":1",
            "\"d\":" + "[".repeat(1999) + "]".repeat(1999))) {
      assertThat(rewritten("{" + first + ",\"model\":\"a\"}", "new"))
          .isEqualTo("{" + first + ",\"model\":\"new\"}");
    }
  }

  @Test
  void theModelIsFoundWhereverItLies() {
    for (int pad = 200; pad < 300; pad++) {
      String start = "{\"a\":\"" + " ".repeat(pad) + "\",\"mod\\u0065l\":";
      assertThat(rewritten(start + "\"abc\",\"b\":\"\"}", "n"))
          .isEqualTo(start + "\"n\",\"b\":\"\"}");
    }
  }

  @Test
  void aLongBodyWithTheModelLastKeepsEveryByte() {
    String text = "日".repeat(100_000);
    String body = "{\"messages\":\"" + text + "\",\"model\":\"a\"}";
    assertThat(rewritten(body, "q\"x"))
        .isEqualTo("{\"messages\":\"" + text + "\",\"model\":\"q\\\"x\"}");
  }
}
