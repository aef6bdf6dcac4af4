package org.infinilm.svc.http;

import io.netty.handler.codec.http.InvalidChunkExtensionException;
import io.netty.handler.codec.http.InvalidChunkTerminationException;
import io.netty.handler.codec.http.InvalidLineSeparatorException;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.handler.codec.http.TransferEncodingNotAllowedException;

/// What came is no answer that reads one way only; the message says why, without a byte of it.
final class BadAnswer extends RuntimeException {
  private static final long serialVersionUID = 1;

  BadAnswer(String why) {
    super(why, null, false, false);
  }

  /// A decoder's complaint in a few words of ours: its own may quote what came.
  static String detail(Throwable cause) {
    return switch (cause) {
      case BadAnswer b -> String.valueOf(b.getMessage());
      case TooLongHttpHeaderException e ->
          "head larger than " + StrictResponseDecoder.MAX_HEAD_BYTES + " bytes";
      case TooLongHttpLineException e -> "line too long";
      case InvalidLineSeparatorException e -> "line that does not end in CR LF";
      case InvalidChunkExtensionException e -> "malformed chunk extension";
      case InvalidChunkTerminationException e -> "chunk that does not end in CR LF";
      case TransferEncodingNotAllowedException e -> "Transfer-Encoding in an HTTP/1.0 answer";
      case NumberFormatException e -> "malformed chunk size or Content-Length";
      case IllegalArgumentException e -> {
        String m = String.valueOf(e.getMessage());
        yield m.contains("Content-Length")
            ? "several or malformed Content-Length fields"
            : m.contains("chunked")
                ? "Transfer-Encoding other than one chunked"
                : "malformed field";
      }
      default -> "malformed answer";
    };
  }
}
