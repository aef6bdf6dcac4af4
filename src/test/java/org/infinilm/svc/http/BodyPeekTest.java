package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BodyPeekTest {
  private static final String CHAT =
      "{\"model\":\"B\",\"messages\":[{\"role\":\"user\",\"content\":\"hello hello hello\"}]}";

  /// The same chat, made with the reference encoder of Brotli.
  private static final byte[] CHAT_IN_BROTLI =
      Base64.getDecoder()
          .decode(
              "G0cAcJwHdqxlGi4tSLtHLbLHtrWE5FqHpatvipS9gUNOBI4tSSCOOdiAw8gbl4UnqUGGl+UPlUWEB5f4Dg==");

  private static final long MOST = 64L << 20;

  private static Peeked peek(byte[] body, String type, String coding, long most) {
    ByteBuf b = Unpooled.directBuffer().writeBytes(body);
    try {
      Peeked p = BodyPeek.at(b, type, coding, most, Look.CHAT, true);
      assertThat(b.readerIndex()).isZero();
      assertThat(b.readableBytes()).isEqualTo(body.length);
      assertThat(b.refCnt()).isEqualTo(1);
      return p;
    } finally {
      b.release();
    }
  }

  static byte[] encoded(String coding, byte[] plain) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    switch (coding) {
      case "gzip" -> write(new GZIPOutputStream(out), plain);
      case "deflate" -> write(new DeflaterOutputStream(out), plain);
      case "raw deflate" ->
          write(new DeflaterOutputStream(out, new Deflater(Deflater.BEST_SPEED, true)), plain);
      case "zstd" -> {
        ZstdJavaCompressor c = new ZstdJavaCompressor();
        byte[] to = new byte[c.maxCompressedLength(plain.length)];
        out.write(to, 0, c.compress(plain, 0, plain.length, to, 0, to.length));
      }
      default -> throw new IllegalArgumentException(coding);
    }
    return out.toByteArray();
  }

  private static void write(OutputStream to, byte[] bytes) throws IOException {
    try (to) {
      to.write(bytes);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "gzip, gzip",
    "gzip, GZIP",
    "gzip, x-gzip",
    "gzip, 'identity, gzip'",
    "deflate, deflate",
    "raw deflate, deflate",
    "zstd, zstd",
  })
  void aBodyIsLookedIntoWhateverItsCoding(String made, String named) throws IOException {
    Peeked plain = peek(CHAT.getBytes(UTF_8), null, null, MOST);
    assertThat(plain.model()).isEqualTo("B");
    assertThat(peek(encoded(made, CHAT.getBytes(UTF_8)), null, named, MOST)).isEqualTo(plain);
    assertThat(plain.bytes()).isEqualTo(CHAT.length());
  }

  @Test
  void brotliIsLookedInto() {
    Peeked p = peek(CHAT_IN_BROTLI, null, "br", MOST);
    assertThat(p).isEqualTo(peek(CHAT.getBytes(UTF_8), null, null, MOST));
  }

  @ParameterizedTest
  @ValueSource(strings = {"compress", "lz4", "gzip, gzip", "gzip, br", "*", "gzip;q=1"})
  void anUnknownCodingIsNamedWithThoseThatWork(String coding) {
    Peeked p = peek(CHAT.getBytes(UTF_8), null, coding, MOST);
    assertThat(p.form()).isEqualTo(Form.UNKNOWN_CODING);
    assertThat(p.problem())
        .isEqualTo("content-encoding: " + coding + " (expected: one of gzip, deflate, br, zstd)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate", "br", "zstd"})
  void whatIsNotInItsCodingIsSaidToBe(String coding) {
    Peeked p = peek(CHAT.getBytes(UTF_8), null, coding, MOST);
    assertThat(p.form()).isEqualTo(Form.BAD_CODING);
    assertThat(p.model()).isNull();
    assertThat(p.problem()).endsWith("content-encoding: " + coding);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate", "zstd"})
  void damageIsAFormAndNeverAnException(String coding) throws IOException {
    byte[] good = encoded(coding, (CHAT + "x".repeat(3000)).getBytes(UTF_8));
    Random random = new Random(4);
    for (int round = 0; round < 5000; round++) {
      byte[] b = Arrays.copyOf(good, random.nextInt(good.length + 1));
      for (int k = random.nextInt(4); k > 0 && b.length > 0; k--) {
        b[random.nextInt(b.length)] = (byte) random.nextInt(256);
      }
      Peeked p = peek(b, null, coding, MOST);
      assertThat(p.bytes()).isLessThanOrEqualTo(MOST + (16 << 10));
      if (p.form() == Form.BAD_CODING) {
        assertThat(p.problem()).isNotNull();
      }
    }
  }

  @Test
  void brotlisDamageIsAFormAndNeverAnException() {
    Random random = new Random(4);
    for (int round = 0; round < 5000; round++) {
      byte[] b = Arrays.copyOf(CHAT_IN_BROTLI, random.nextInt(CHAT_IN_BROTLI.length + 1));
      for (int k = random.nextInt(4); k > 0 && b.length > 0; k--) {
        b[random.nextInt(b.length)] = (byte) random.nextInt(256);
      }
      assertThat(peek(b, null, "br", MOST).bytes()).isLessThanOrEqualTo(MOST + (16 << 10));
    }
  }

  @Test
  void aBodyThatBreaksAfterItsModelKeepsIt() throws IOException {
    byte[] noise = new byte[200_000];
    new Random(1).nextBytes(noise);
    String json = "{\"model\":\"B\",\"a\":\"" + Base64.getEncoder().encodeToString(noise) + "\"}";
    byte[] cut = Arrays.copyOf(encoded("gzip", json.getBytes(UTF_8)), 100_000);
    Peeked p = peek(cut, null, "gzip", MOST);
    assertThat(p.form()).isEqualTo(Form.BAD_CODING);
    assertThat(p.model()).isEqualTo("B");
  }

  /// A stream of zeros, 1000 times smaller than what it holds.
  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate", "zstd"})
  void aBombIsNotUnpacked(String coding) throws IOException {
    byte[] bomb = encoded(coding, new byte[48 << 20]);
    assertThat(bomb.length).isLessThan(60_000);
    Peeked p = peek(bomb, null, coding, MOST);
    assertThat(p.form()).isEqualTo(Form.TOO_LARGE);
    assertThat(p.bytes()).isLessThan((1 << 20) + 200L * bomb.length + (32 << 10));
    assertThat(p.problem()).contains("200 times", coding, Integer.toString(bomb.length));
  }

  @Test
  void aBodyLargerThanTheLimitOnceDecodedIsTooLarge() throws IOException {
    byte[] noise = new byte[300_000];
    new Random(1).nextBytes(noise);
    byte[] json = ("{\"a\":\"" + Base64.getEncoder().encodeToString(noise) + "\"}").getBytes(UTF_8);
    byte[] body = encoded("gzip", json);
    assertThat(peek(body, null, "gzip", json.length).form()).isEqualTo(Form.OBJECT);
    Peeked p = peek(body, null, "gzip", json.length - 1);
    assertThat(p.form()).isEqualTo(Form.TOO_LARGE);
    assertThat(p.problem()).contains("at most " + (json.length - 1));
  }

  @Test
  void anEmptyBodyIsEmptyInAnyCoding() {
    assertThat(peek(new byte[0], null, "gzip", MOST).form()).isEqualTo(Form.EMPTY);
    assertThat(peek(new byte[0], null, null, MOST).form()).isEqualTo(Form.EMPTY);
  }

  @Test
  void multipartIsToldByItsContentTypeAndReadInAnyCoding() throws IOException {
    String type = "multipart/form-data; boundary=x";
    String body = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nB\r\n--x--\r\n";
    Peeked p = peek(body.getBytes(UTF_8), type, null, MOST);
    assertThat(p.form()).isEqualTo(Form.MULTIPART);
    assertThat(p.model()).isEqualTo("B");
    assertThat(peek(encoded("gzip", body.getBytes(UTF_8)), type, "gzip", MOST)).isEqualTo(p);
    assertThat(peek(body.getBytes(UTF_8), "multipart/form-data", null, MOST).form())
        .isEqualTo(Form.OTHER);
  }

  /// Counting 60 MB of text must not take memory of that order: the router's heap is 192 MB.
  @Test
  void aHugeTextIsCountedInASmallWindow() {
    byte[] piece = "ab日".repeat(1000).getBytes(UTF_8);
    var body = Unpooled.compositeBuffer(Integer.MAX_VALUE);
    body.addComponent(true, Unpooled.copiedBuffer("{\"prompt\":\"", UTF_8));
    int times = (60 << 20) / piece.length;
    for (int k = 0; k < times; k++) {
      body.addComponent(true, Unpooled.wrappedBuffer(piece));
    }
    body.addComponent(true, Unpooled.copiedBuffer("\",\"model\":\"m\"}", UTF_8));
    var threads =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    Peeked p = BodyPeek.at(body, null, null, Long.MAX_VALUE, Look.CHAT, true);
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat(p.model()).isEqualTo("m");
    assertThat(p.prompt().textBytes()).isEqualTo((long) times * piece.length);
    assertThat(allocated).isLessThan(4 << 20);
  }
}
