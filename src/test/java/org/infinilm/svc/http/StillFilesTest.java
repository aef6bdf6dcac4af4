package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// When certificates are read again, look by look.
class StillFilesTest {
  @TempDir private Path dir;
  private Path cert;
  private Path key;
  private StillFiles files;

  @BeforeEach
  void begin() throws Exception {
    cert = Files.writeString(dir.resolve("cert"), "one");
    key = Files.writeString(dir.resolve("key"), "one");
    files = new StillFiles(List.of(cert, key));
  }

  private void renamedOver(Path file, String text) throws Exception {
    Path fresh = Files.writeString(dir.resolve("fresh"), text);
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /// Looks so often in vain, then once more.
  private void isReadAfter(int looks) {
    for (int k = 0; k < looks; k++) {
      assertThat(files.look()).as("look %s of %s", k, looks).isFalse();
      assertThat(files.haveChanged()).isTrue();
    }
    assertThat(files.look()).isTrue();
    assertThat(files.haveChanged()).isFalse();
    assertThat(files.look()).as("once").isFalse();
  }

  @Test
  void aNewFileInTheirPlaceStandsStillForALook() throws Exception {
    assertThat(files.look()).isFalse();
    renamedOver(cert, "two");
    isReadAfter(1);
    renamedOver(cert, "three");
    assertThat(files.look()).isFalse();
    renamedOver(key, "three");
    isReadAfter(1);
  }

  @Test
  void whatIsWrittenInPlaceStandsStillForTwoSecondsFromTheLastByte() throws Exception {
    Files.writeString(cert, "half of ");
    for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look()).isFalse();
    }
    Files.writeString(cert, "it", StandardOpenOption.APPEND);
    isReadAfter(StillFiles.STILL_IN_PLACE);
  }

  @Test
  void oneFileInPlaceHoldsTheOtherBack() throws Exception {
    renamedOver(cert, "two");
    Files.writeString(key, "two, in place");
    isReadAfter(StillFiles.STILL_IN_PLACE);
  }

  @Test
  void whatGoesAndComesIsAChangeOnlyAsItIsWhenItStandsStill() throws Exception {
    Files.delete(key);
    isReadAfter(1);
    Files.writeString(key, "two");
    isReadAfter(1);
  }

  @Test
  void whatWasReadAtSomebodysWordIsNoChange() throws Exception {
    Files.writeString(cert, "in place");
    assertThat(files.look()).isFalse();
    files.taken();
    for (int k = 0; k <= StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look()).isFalse();
    }
  }

  /// The first half of a chain is a certificate too.
  @Test
  void aListenerShowsNoHalfOfACertificate() throws Exception {
    Instant now = Instant.now();
    X509Bundle old = valid(now, 20);
    Path chain = Files.writeString(dir.resolve("chain.pem"), old.getCertificatePEM());
    Path own = Files.writeString(dir.resolve("own.pem"), old.getPrivateKeyPEM());
    TlsFiles.Paths paths = new TlsFiles.Paths("tls_", chain, own, null, true);
    try (Tls.Listener listener = new Tls.Listener(paths, "http/1.1", () -> now)) {
      Instant before = listener.expires();
      X509Bundle next = valid(now, 40);
      Files.writeString(own, next.getPrivateKeyPEM());
      Files.writeString(chain, next.getCertificatePEM());
      for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
        listener.look();
        assertThat(listener.expires()).isEqualTo(before);
      }
      Files.writeString(chain, old.getCertificatePEM(), StandardOpenOption.APPEND);
      for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
        listener.look();
        assertThat(listener.expires()).isEqualTo(before);
      }
      listener.look();
      assertThat(listener.expires()).isAfter(before);
      assertThat(listener.refused()).isNull();
    }
  }

  private static X509Bundle valid(Instant now, int days) throws Exception {
    return new CertificateBuilder()
        .ecp256()
        .subject("CN=x")
        .setIsCertificateAuthority(true)
        .notBefore(now.minus(Duration.ofDays(2)))
        .notAfter(now.plus(Duration.ofDays(days)))
        .buildSelfSigned();
  }
}
