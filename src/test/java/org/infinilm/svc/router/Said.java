package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;

/// One answer as a client of raw sockets sees it.
///
/// @param status 0 when no head came
/// @param head its lines, the empty one included
/// @param body what came of it, chunks joined
record Said(int status, String head, String body, End end) {
  enum End {
    /// Framed to its end.
    WHOLE,
    /// The connection was closed before the framing ended.
    CUT,
    /// The connection was reset.
    RESET,
    /// Nothing came for the socket's time limit.
    SILENT
  }

  boolean ok() {
    return status == 200 && end == End.WHOLE;
  }

  String field(String name) {
    return Talk.field(head, name, "");
  }

  /// Reads the next answer of the connection.
  static Said read(InputStream in) {
    Reader r = new Reader(in);
    End end;
    try {
      r.answer();
      end = End.WHOLE;
    } catch (java.net.SocketTimeoutException e) {
      end = End.SILENT;
    } catch (java.io.EOFException e) {
      end = End.CUT;
    } catch (IOException e) {
      end = End.RESET;
    }
    return new Said(r.status, r.head, r.body.toString(ISO_8859_1), end);
  }

  private static final class Reader {
    private final InputStream in;
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private String head = "";
    private int status;

    Reader(InputStream in) {
      this.in = in;
    }

    void answer() throws IOException {
      StringBuilder b = new StringBuilder();
      for (String line = line(); !line.isEmpty(); line = line()) {
        b.append(line).append("\r\n");
      }
      head = b.append("\r\n").toString();
      status = Integer.parseInt(head.substring(9, 12));
      String length = Talk.field(head, "content-length", "");
      if (Talk.field(head, "transfer-encoding", "").equals("chunked")) {
        chunks();
      } else if (!length.isEmpty()) {
        bytes(Long.parseLong(length));
      } else if (status != 204 && status != 304) {
        for (int c = in.read(); c >= 0; c = in.read()) {
          body.write(c);
        }
      }
    }

    private void chunks() throws IOException {
      while (true) {
        int size = Integer.parseInt(line(), 16);
        bytes(size);
        line();
        if (size == 0) {
          return;
        }
      }
    }

    private void bytes(long n) throws IOException {
      for (long k = 0; k < n; k++) {
        body.write(one());
      }
    }

    private String line() throws IOException {
      StringBuilder b = new StringBuilder();
      for (int c = one(); c != '\n'; c = one()) {
        b.append((char) c);
      }
      return b.toString().stripTrailing();
    }

    private int one() throws IOException {
      int c = in.read();
      if (c < 0) {
        throw new java.io.EOFException();
      }
      return c;
    }
  }
}
