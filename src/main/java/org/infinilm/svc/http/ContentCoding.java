package org.infinilm.svc.http;

import io.airlift.compress.v3.zstd.ZstdJavaInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.util.List;
import java.util.Locale;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import org.brotli.dec.BrotliInputStream;
import org.jspecify.annotations.Nullable;

/// Content codings of requests (RFC 9110, section 8.4.1) that can be undone here, each as a stream
/// with a window of at most 16 MiB.
final class ContentCoding {
  static final String IDENTITY = "identity";

  /// What a client may send, in the order in which it is told so.
  static final List<String> KNOWN = List.of("gzip", "deflate", "br", "zstd");

  private ContentCoding() {}

  /// A body that is in its coding, but in a way that is not supported; the message says which.
  static final class Refused extends IOException {
    Refused(String why) {
      super(why);
    }
  }

  /// The one coding of a Content-Encoding field, `identity` for none, or null when there is an
  /// unknown one or more than one: codings inside each other have no bound that their size tells.
  static @Nullable String of(@Nullable String contentEncoding) {
    if (contentEncoding == null) {
      return IDENTITY;
    }
    String only = IDENTITY;
    for (String word : contentEncoding.split(",", -1)) {
      String coding = word.strip().toLowerCase(Locale.ROOT);
      if (coding.isEmpty() || coding.equals(IDENTITY)) {
        continue;
      }
      coding = coding.equals("x-gzip") ? "gzip" : coding;
      if (!KNOWN.contains(coding) || !only.equals(IDENTITY)) {
        return null;
      }
      only = coding;
    }
    return only;
  }

  /// A stream that undoes `coding`; damage shows as an exception of any kind.
  static InputStream open(String coding, InputStream in) throws IOException {
    return switch (coding) {
      case "gzip" -> new GzipMembers(in);
      case "deflate" -> deflate(in);
      case "br" -> new BrotliInputStream(in);
      case "zstd" -> new ZstdJavaInputStream(new ZstdFrames(in));
      default -> throw new IllegalArgumentException(coding);
    };
  }

  /// `deflate` is the zlib format; some clients send the bare one, which the first two bytes tell.
  private static InputStream deflate(InputStream in) throws IOException {
    PushbackInputStream start = new PushbackInputStream(in, 2);
    byte[] two = start.readNBytes(2);
    start.unread(two);
    boolean zlib =
        two.length == 2 && (two[0] & 0x0f) == 8 && ((two[0] & 0xff) << 8 | two[1] & 0xff) % 31 == 0;
    Inflater inflater = new Inflater(!zlib);
    return new FilterInputStream(new InflaterInputStream(start, inflater, 8192)) {
      @Override
      public void close() {
        inflater.end();
      }
    };
  }
}
