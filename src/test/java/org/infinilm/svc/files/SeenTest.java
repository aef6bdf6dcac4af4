package org.infinilm.svc.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a look finds, and when it reads.
class SeenTest {
  private static final int MOST = 100;

  @TempDir private Path dir;
  private Path file;
  private final List<Path> reads = new ArrayList<>();
  private boolean closed;

  @BeforeEach
  void begin() throws Exception {
    file = Files.writeString(dir.resolve("a"), "one");
  }

  private Seen<String> look(@Nullable Seen<String> before) {
    return Seen.by(
        file,
        before,
        MOST,
        f -> {
          reads.add(f);
          if (closed) {
            throw new AccessDeniedException(f.toString());
          }
          return Files.readAllBytes(f);
        });
  }

  @Test
  void readsWhatIsNewTwiceAndThenNoMore() {
    Seen<String> found = null;
    for (int k = 0; k < 5; k++) {
      Seen<String> next = look(found);
      assertThat(next.sure()).isEqualTo(k > 0);
      assertThat(found == null || next.saysWhat(found)).isTrue();
      found = next;
    }
    assertThat(reads).hasSize(2);
  }

  @Test
  void anotherWritingWithTheSameInItSaysTheSame() throws Exception {
    Seen<String> before = look(look(null));
    Files.setLastModifiedTime(file, FileTime.fromMillis(1));
    Seen<String> after = look(before);
    assertThat(after.stamp()).isNotEqualTo(before.stamp());
    assertThat(after.saysWhat(before)).isTrue();
    Files.writeString(file, "two");
    assertThat(look(after).saysWhat(before)).isFalse();
  }

  /// Of the same length, so that nothing tells but the bytes.
  @Test
  void whatIsWrittenWithinATickOfTheClockIsSeenAtTheNextLook() throws Exception {
    FileTime tick = Files.getLastModifiedTime(file);
    Seen<String> before = look(null);
    Files.writeString(file, "two");
    Files.setLastModifiedTime(file, tick);
    Seen<String> after = look(before);
    assertThat(after.stamp()).isEqualTo(before.stamp());
    assertThat(after.saysWhat(before)).isFalse();
  }

  /// A change of its rights changes no time.
  @Test
  void whatCannotBeReadIsTriedAtEachLook() {
    closed = true;
    Seen<String> found = look(look(look(null)));
    assertThat(found.sure()).isFalse();
    assertThat(reads).hasSize(3);
    closed = false;
    Seen<String> open = look(found);
    assertThat(open.stamp()).isEqualTo(found.stamp());
    assertThat(open.saysWhat(found)).isFalse();
  }

  @Test
  void whatIsNotThereTooLargeOrNoFileIsNotRead() throws Exception {
    Files.delete(file);
    assertThat(look(null).stamp()).isNull();
    Files.writeString(file, "x".repeat(MOST + 1));
    Seen<String> large = look(null);
    Files.writeString(file, "x".repeat(MOST + 2));
    assertThat(look(large).saysWhat(large)).as("by its stamp").isFalse();
    assertThat(reads).isEmpty();
    Seen<String> folder = Seen.bytes(dir, null, 1 << 20, b -> b);
    assertThat(folder.says()).contains("no regular file");
  }

  @Test
  void onlyWhatCountsCounts() throws Exception {
    Files.write(file, new byte[] {1, 2});
    Seen<String> one = Seen.bytes(file, null, MOST, b -> new byte[] {b[0]});
    Files.write(file, new byte[] {1, 3, 4});
    assertThat(Seen.bytes(file, one, MOST, b -> new byte[] {b[0]}).saysWhat(one)).isTrue();
  }
}
