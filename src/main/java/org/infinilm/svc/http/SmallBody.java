package org.infinilm.svc.http;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/// Short bodies, or the starts of bodies, read as text. Stateless.
public final class SmallBody {
  private SmallBody() {}

  /// `body` without its content coding, as far as it can be undone: what an unknown coding or
  /// damage hides is left out.
  ///
  /// @param contentEncoding the field's value, or null
  /// @param most bytes of what comes out
  public static byte[] decoded(byte[] body, @Nullable String contentEncoding, int most) {
    String coding = ContentCoding.of(contentEncoding);
    if (ContentCoding.IDENTITY.equals(coding)) {
      return body;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (coding != null) {
      try (InputStream in = ContentCoding.open(coding, new ByteArrayInputStream(body))) {
        byte[] piece = new byte[1024];
        int n = in.read(piece);
        while (n >= 0 && out.size() < most) {
          out.write(piece, 0, Math.min(n, most - out.size()));
          n = in.read(piece);
        }
      } catch (IOException | RuntimeException damage) {
        // what came before it counts
      }
    }
    return out.toByteArray();
  }
}
