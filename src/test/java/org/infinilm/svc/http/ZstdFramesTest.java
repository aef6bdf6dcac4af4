package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.airlift.compress.v3.zstd.ZstdOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import org.junit.jupiter.api.Test;

class ZstdFramesTest {
  private static final byte[] SKIP = {0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'a', 'b', 'c', 'd'};
  private static final byte[] SKIP_NOTHING = {0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};

  private static byte[] zipped(String text) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (OutputStream z = ZstdOutputStream.create(out)) {
      z.write(text.getBytes(UTF_8));
    }
    return out.toByteArray();
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] p : parts) {
      out.writeBytes(p);
    }
    return out.toByteArray();
  }

  private static String unzipped(byte[] b) throws IOException {
    try (InputStream in = ContentCoding.open("zstd", new ByteArrayInputStream(b))) {
      return new String(in.readAllBytes(), UTF_8);
    }
  }

  @Test
  void framesToSkipAreSkippedWhereverTheyStand() throws IOException {
    String text = "hello hello ".repeat(40_000);
    byte[] frame = zipped(text);
    assertThat(unzipped(joined(SKIP, frame))).isEqualTo(text);
    assertThat(unzipped(joined(frame, SKIP))).isEqualTo(text);
    assertThat(unzipped(joined(SKIP_NOTHING, frame, SKIP, SKIP_NOTHING, zipped("x"), SKIP)))
        .isEqualTo(text + "x");
  }

  @Test
  void allElsePassesByteForByte() throws IOException {
    for (byte[] b :
        new byte[][] {
          {}, {1}, "no zstd at all".getBytes(UTF_8), joined(zipped("a"), "tail".getBytes(UTF_8))
        }) {
      assertThat(new ZstdFrames(new ByteArrayInputStream(b)).readAllBytes()).isEqualTo(b);
    }
    byte[] frame = zipped("hello".repeat(1000));
    for (int cut = 0; cut < frame.length; cut++) {
      byte[] piece = java.util.Arrays.copyOf(frame, cut);
      assertThat(new ZstdFrames(new ByteArrayInputStream(piece)).readAllBytes()).isEqualTo(piece);
    }
  }

  @Test
  void aWindowThatIsTooLargeIsSaidToBe() {
    byte[] header = {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 0, 14 << 3, 1, 0, 0};
    assertThatThrownBy(() -> unzipped(header))
        .isInstanceOf(ContentCoding.Refused.class)
        .hasMessage("zstd with a window of 16777216 bytes (expected: at most 8388608)");
  }

  @Test
  void aFrameToSkipThatIsCutIsDamage() {
    assertThatThrownBy(() -> unzipped(java.util.Arrays.copyOf(SKIP, 10)))
        .isInstanceOf(IOException.class);
  }
}
