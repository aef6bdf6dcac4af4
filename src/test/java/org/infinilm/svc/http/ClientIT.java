package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClientIT {
  /// A health check that meets a video, or a log that is followed: sixteen of them filled the
  /// registry's memory.
  @ParameterizedTest
  @ValueSource(
      strings = {"Transfer-Encoding: chunked", "Content-Length: 99999999999", "X-By: close"})
  void anAnswerWithoutEndIsToldByItsStatusAndLeft(String framing) throws Exception {
    CountDownLatch left = new CountDownLatch(1);
    byte[] chunk = ("4000\r\n" + "x".repeat(0x4000) + "\r\n").getBytes(StandardCharsets.US_ASCII);
    try (ServerSocket endless = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Client client = Client.create()) {
      Thread.ofPlatform()
          .daemon()
          .start(() -> {
            try (Socket s = endless.accept()) {
              int first = s.getInputStream().read();
              assertThat(first).isEqualTo('G');
              OutputStream out = s.getOutputStream();
              out.write(
                  ("HTTP/1.1 503 Busy\r\n" + framing + "\r\n\r\n")
                      .getBytes(StandardCharsets.US_ASCII));
              while (true) {
                out.write(chunk);
              }
            } catch (IOException gone) {
              left.countDown();
            }
          });
      URI uri = URI.create("http://127.0.0.1:" + endless.getLocalPort() + "/health");
      assertThat(client.status(uri, Headers.NONE, Duration.ofMinutes(1))).isEqualTo(503);
      left.await();
    }
  }

  /// The kernel's own words were in every command's error.
  @Test
  void whoCannotBeConnectedToIsSaidInWords() throws Exception {
    int port;
    try (java.net.ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    try (Client client = Client.create()) {
      URI at = URI.create("http://127.0.0.1:" + port + "/");
      assertThatThrownBy(() -> client.get(at, Duration.ofSeconds(10)))
          .isInstanceOf(Client.NotConnected.class)
          .hasMessage("cannot connect to 127.0.0.1:" + port + ": refused");
    }
  }
}
