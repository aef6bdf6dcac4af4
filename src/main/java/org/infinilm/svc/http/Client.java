package org.infinilm.svc.http;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;

/// The blocking HTTP/1.1 client of control planes: no proxies, no redirects, no cookies, bounded
/// bodies. Thread-safe; call it from virtual threads.
public final class Client implements AutoCloseable {
  /// One complete answer.
  public record Reply(int status, Headers headers, byte[] body) {
    public boolean ok() {
      return status >= 200 && status < 300;
    }
  }

  /// A streamed answer as it arrives.
  public interface Listener {
    void head(int status, Headers headers);

    /// One piece of the body, on the calling thread.
    void piece(byte[] piece);
  }

  /// A client with its own small event loop.
  public static Client create() {
    return new Client();
  }

  /// Sends one request and waits for the whole answer (at most 64 MiB).
  ///
  /// @param timeout for the whole exchange
  /// @throws IOException when nothing answers in time, the connection breaks, or the answer is no
  ///   HTTP
  public Reply send(String method, URI uri, Headers headers, byte[] body, Duration timeout)
      throws IOException, InterruptedException {
    throw new IOException("not yet");
  }

  /// `GET` without headers.
  public Reply get(URI uri, Duration timeout) throws IOException, InterruptedException {
    return send("GET", uri, Headers.NONE, new byte[0], timeout);
  }

  /// `POST` of a JSON document.
  public Reply post(URI uri, Object json, Duration timeout)
      throws IOException, InterruptedException {
    return send(
        "POST", uri, Headers.of("content-type", "application/json"), Json.bytes(json), timeout);
  }

  /// Sends one request and hands the answer to `listener` as it arrives; returns when it ends.
  ///
  /// @param timeout between bytes
  /// @throws IOException as for [#send], and when the body ends before its framing says so
  public void stream(
      String method, URI uri, Headers headers, byte[] body, Duration timeout, Listener listener)
      throws IOException, InterruptedException {
    throw new IOException("not yet");
  }

  @Override
  public void close() {}
}
