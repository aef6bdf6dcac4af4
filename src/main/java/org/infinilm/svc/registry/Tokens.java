package org.infinilm.svc.registry;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.config.InputFile;
import org.jspecify.annotations.Nullable;

/// Who may change the table and who may read it, by bearer tokens; who may change it may read it.
/// Immutable.
///
/// @param write tokens wanted for changes; empty: anyone
/// @param read further tokens for reading; empty: anyone reads
public record Tokens(List<String> write, List<String> read) {
  public static final Tokens NONE = new Tokens(List.of(), List.of());
  private static final int MAX_FILE_BYTES = 1 << 16;

  public Tokens {
    write = List.copyOf(write);
    read = List.copyOf(read);
  }

  /// Values are left out.
  @Override
  public String toString() {
    return "Tokens[" + write.size() + " write, " + read.size() + " read]";
  }

  static Tokens of(@Nullable String write, @Nullable String read) {
    return new Tokens(present(write), present(read));
  }

  private static List<String> present(@Nullable String token) {
    return token == null || token.isEmpty() ? List.of() : List.of(token);
  }

  Tokens and(Tokens other) {
    List<String> w = new ArrayList<>(write);
    w.addAll(other.write);
    List<String> r = new ArrayList<>(read);
    r.addAll(other.read);
    return new Tokens(w, r);
  }

  /// One token a line, behind `write` or `read` (`write` where neither stands); `#` begins a
  /// comment.
  ///
  /// @throws IOException when the file cannot be read
  /// @throws IllegalArgumentException with the line's number, never with its text
  static Tokens parse(Path file) throws IOException {
    List<String> write = new ArrayList<>();
    List<String> read = new ArrayList<>();
    int number = 0;
    String text = new String(InputFile.read(file, MAX_FILE_BYTES), StandardCharsets.UTF_8);
    for (String line : (text.startsWith("\ufeff") ? text.substring(1) : text).split("\n")) {
      number++;
      String said = line.strip();
      if (said.isEmpty() || said.startsWith("#")) {
        continue;
      }
      String[] words = said.split("\\s+");
      boolean named = words[0].equals("write") || words[0].equals("read");
      if (words.length != (named ? 2 : 1)) {
        throw new IllegalArgumentException(
            "line " + number + " (expected: \"write TOKEN\", \"read TOKEN\" or a token alone)");
      }
      (words[0].equals("read") ? read : write).add(words[words.length - 1]);
    }
    if (write.isEmpty() && read.isEmpty()) {
      throw new IllegalArgumentException("holds no token (expected: one a line)");
    }
    return new Tokens(write, read);
  }

  /// @param authorization the header, or null
  boolean mayWrite(@Nullable String authorization) {
    return write.isEmpty() || isOne(write, authorization);
  }

  boolean mayRead(@Nullable String authorization) {
    return read.isEmpty() || isOne(read, authorization) || isOne(write, authorization);
  }

  private static boolean isOne(List<String> tokens, @Nullable String authorization) {
    if (authorization == null) {
      return false;
    }
    byte[] given = authorization.getBytes(StandardCharsets.UTF_8);
    boolean found = false;
    for (String t : tokens) {
      found |= MessageDigest.isEqual(given, ("Bearer " + t).getBytes(StandardCharsets.UTF_8));
    }
    return found;
  }
}
