package org.infinilm.svc.http;

import java.io.IOException;
import java.time.Duration;

/// The HTTP/1.1 server of control planes, the engine and the simulator: Netty below, whole request
/// bodies, one virtual thread a request.
public final class Server implements AutoCloseable {
  /// @param host address to listen on, `127.0.0.1` or `0.0.0.0`
  /// @param port 0 for any free port
  /// @param maxBodyBytes larger bodies are answered 413
  /// @param maxConnections more are closed at once
  /// @param idle a connection without a request for so long is closed
  public record Options(
      String host, int port, int maxBodyBytes, int maxConnections, Duration idle) {
    public static Options at(String host, int port) {
      return new Options(host, port, 2 << 20, 1024, Duration.ofSeconds(75));
    }

    public Options maxBody(int bytes) {
      return new Options(host, port, bytes, maxConnections, idle);
    }
  }

  private Server() {}

  /// Binds and serves.
  ///
  /// @throws IOException when the port cannot be bound; the message names address and port (see
  ///   [PortOwner])
  public static Server start(Options options, Handler handler) throws IOException {
    throw new IOException("not yet");
  }

  public int port() {
    return 0;
  }

  /// Stops accepting and waits for requests in flight, at most `grace`.
  public void drain(Duration grace) {}

  /// Stops at once: closes the listener and every connection.
  @Override
  public void close() {}
}
