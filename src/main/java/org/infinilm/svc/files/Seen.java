package org.infinilm.svc.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// What a look at a file found. Who follows a file compares what it says and not its stamp: one
/// that is written again and again with the same in it stands still.
///
/// @param stamp null where there is no file
/// @param says what is in it
/// @param sure whether it was read at a later look than the one that found the stamp: what is
///   written within one tick of the file system's clock has the stamp of what was there before
public record Seen<T>(@Nullable Stamp stamp, T says, boolean sure) {
  /// Reads it unless it was read and has the stamp of then.
  ///
  /// @param before what the last look found; null at the first
  public static <T> Seen<T> of(
      @Nullable Stamp now, @Nullable Seen<T> before, Supplier<? extends T> read) {
    boolean known = before != null && Objects.equals(now, before.stamp);
    return before != null && known && before.sure ? before : new Seen<>(now, read.get(), known);
  }

  /// By its bytes. One that cannot be read is tried at each look: who may read it is not in its
  /// stamp.
  ///
  /// @param most bytes of a file that is read; of a larger one only the stamp counts
  /// @param counts the part of its bytes that counts
  public static Seen<String> bytes(
      Path file, @Nullable Seen<String> before, int most, UnaryOperator<byte[]> counts) {
    return by(file, before, most, f -> counts.apply(read(f, most)));
  }

  /// What counts of a file.
  interface Bytes {
    byte[] of(Path file) throws IOException;
  }

  static Seen<String> by(Path file, @Nullable Seen<String> before, int most, Bytes read) {
    Stamp now = Stamp.of(file);
    if (now == null) {
      return new Seen<>(null, "", true);
    }
    if (now.bytes() > most) {
      return new Seen<>(now, now.toString(), true);
    }
    boolean known = before != null && now.equals(before.stamp);
    if (before != null && known && before.sure) {
      return before;
    }
    try {
      return new Seen<>(now, digest(read.of(file)), known);
    } catch (IOException e) {
      return new Seen<>(now, e.toString(), false);
    }
  }

  private static byte[] read(Path file, int most) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new IOException("no regular file");
    }
    try (InputStream in = Files.newInputStream(file)) {
      return in.readNBytes(most);
    }
  }

  private static String digest(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /// Whether another look found the same in it.
  public boolean saysWhat(Seen<T> other) {
    return says.equals(other.says);
  }
}
