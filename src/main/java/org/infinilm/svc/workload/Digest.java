package org.infinilm.svc.workload;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/// SHA-256 of workloads.
final class Digest {
  private Digest() {}

  static String of(byte[] bytes) {
    return HexFormat.of().formatHex(sha256().digest(bytes));
  }

  /// Of a file of any size.
  static String of(Path file) throws IOException {
    MessageDigest d = sha256();
    try (InputStream in = Files.newInputStream(file)) {
      byte[] piece = new byte[64 << 10];
      for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
        d.update(piece, 0, n);
      }
    }
    return HexFormat.of().formatHex(d.digest());
  }

  /// Of what the requests ask, whatever they are called and whoever serves them.
  static String of(List<LoadItem> items) {
    MessageDigest d = sha256();
    for (LoadItem i : items) {
      part(d, i.prompt() == null ? "" : i.prompt());
      i.messages().forEach(m -> part(d, m.role() + " " + m.content()));
      part(d, i.outputTokens() + " " + i.conversation());
    }
    return HexFormat.of().formatHex(d.digest());
  }

  private static void part(MessageDigest d, String text) {
    d.update(text.getBytes(StandardCharsets.UTF_8));
    d.update((byte) 0);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
