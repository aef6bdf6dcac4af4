package org.infinilm.svc.bench;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLContext;

/// Speaks TLS as `localhost` in front of a server that does not.
final class TlsFront implements AutoCloseable {
  private final ServerSocket listener;
  private final int behind;
  private final List<Socket> open = new CopyOnWriteArrayList<>();
  final Path caFile;

  TlsFront(int behind, Path folder) throws Exception {
    this.behind = behind;
    X509Bundle authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=a test authority")
            .setIsCertificateAuthority(true)
            .setKeyUsage(true, CertificateBuilder.KeyUsage.keyCertSign)
            .buildSelfSigned();
    X509Bundle own =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=a server")
            .addSanDnsName("localhost")
            .buildIssuedBy(authority);
    this.caFile = Files.writeString(folder.resolve("ca.pem"), authority.getCertificatePEM());
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(own.toKeyManagerFactory().getKeyManagers(), null, null);
    this.listener =
        context
            .getServerSocketFactory()
            .createServerSocket(0, 100, InetAddress.getByName("127.0.0.1"));
    Thread.ofVirtual().start(this::accept);
  }

  String url() {
    return "https://localhost:" + listener.getLocalPort();
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket front = listener.accept();
        Socket back = new Socket("127.0.0.1", behind);
        open.addAll(List.of(front, back));
        Thread.ofVirtual().start(() -> pipe(front, back));
        Thread.ofVirtual().start(() -> pipe(back, front));
      } catch (IOException closed) {
        // the next one, or the end
      }
    }
  }

  private static void pipe(Socket from, Socket to) {
    try (from;
        to) {
      byte[] piece = new byte[8192];
      for (int n = from.getInputStream().read(piece);
          n >= 0;
          n = from.getInputStream().read(piece)) {
        to.getOutputStream().write(piece, 0, n);
        to.getOutputStream().flush();
      }
    } catch (IOException ended) {
      // both are closed
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket s : open) {
      s.close();
    }
  }
}
