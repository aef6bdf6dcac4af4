package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.zip.CRC32;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

class GzipMembersTest {
  private static byte[] zipped(String text) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
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
    try (GzipMembers in = new GzipMembers(new ByteArrayInputStream(b))) {
      return new String(in.readAllBytes(), UTF_8);
    }
  }

  @Test
  void aHundredThousandEmptyMembersCostNoStack() throws IOException {
    byte[] empty = zipped("");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(zipped("{"));
    for (int k = 0; k < 100_000; k++) {
      out.writeBytes(empty);
    }
    out.writeBytes(zipped("}"));
    assertThat(unzipped(out.toByteArray())).isEqualTo("{}");
  }

  @Test
  void membersOfAnyLengthFollowEachOther() throws IOException {
    String long1 = "abc".repeat(50_000);
    assertThat(unzipped(joined(zipped(long1), zipped("x"), zipped(long1))))
        .isEqualTo(long1 + "x" + long1);
  }

  @Test
  void aHeaderMayHaveEverything() throws IOException {
    byte[] plain = zipped("hello");
    byte[] header = {
      0x1f, (byte) 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 3, 0, 'e', 'x', 't', 'n', 0, 'c', 0
    };
    CRC32 sum = new CRC32();
    sum.update(header);
    byte[] check = {(byte) sum.getValue(), (byte) (sum.getValue() >> 8)};
    byte[] rest = java.util.Arrays.copyOfRange(plain, 10, plain.length);
    assertThat(unzipped(joined(header, check, rest, plain))).isEqualTo("hellohello");
    check[0]++;
    assertThatThrownBy(() -> unzipped(joined(header, check, rest))).isInstanceOf(IOException.class);
  }

  @Test
  void whatBeginsNoMemberBehindTheLastIsPassedOver() throws IOException {
    assertThat(unzipped(joined(zipped("a"), new byte[] {0, 0, 0}))).isEqualTo("a");
    assertThat(unzipped(joined(zipped("a"), new byte[] {0x1f}))).isEqualTo("a");
  }

  @Test
  void damageIsAnIoException() throws IOException {
    byte[] whole = zipped("hello hello hello");
    for (int cut = 0; cut < whole.length; cut++) {
      byte[] piece = java.util.Arrays.copyOf(whole, cut);
      assertThatThrownBy(() -> unzipped(piece)).isInstanceOf(IOException.class);
    }
    for (int at : new int[] {0, 1, 2, 3, 12, whole.length - 1, whole.length - 5}) {
      byte[] wrong = whole.clone();
      wrong[at] ^= (byte) 0xff;
      assertThatThrownBy(() -> unzipped(wrong)).isInstanceOf(IOException.class);
    }
  }
}
