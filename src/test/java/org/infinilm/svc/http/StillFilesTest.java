package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.handler.ssl.SslContext;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// When certificates are read again, look by look.
class StillFilesTest {
  @TempDir private Path dir;
  private Path cert;
  private Path key;
  private StillFiles files;

  @BeforeEach
  void begin() throws Exception {
    cert = Files.writeString(dir.resolve("cert"), pem("one"));
    key = Files.writeString(dir.resolve("key"), pem("one"));
    files = new StillFiles(List.of(cert, key));
  }

  private static String pem(String text) {
    return "-----BEGIN IT-----\n" + text + "\n-----END IT-----\n";
  }

  private interface Writing {
    void write(Path file, String text) throws Exception;
  }

  private static void inPlace(Path file, String text) throws Exception {
    Files.writeString(file, text);
  }

  private void renamedOver(Path file, String text) throws Exception {
    Path fresh = Files.writeString(dir.resolve("fresh"), text);
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /// Looks so often in vain, then once more.
  private void isReadAfter(int looks) {
    for (int k = 0; k < looks; k++) {
      assertThat(files.look(false)).as("look %s of %s", k, looks).isFalse();
      assertThat(files.mayHaveChanged()).isTrue();
    }
    isReadAtOnce();
  }

  private void isReadAtOnce() {
    assertThat(files.look(false)).isTrue();
    assertThat(files.stood()).isTrue();
    assertThat(files.look(false)).as("once").isFalse();
    assertThat(files.mayHaveChanged()).isFalse();
  }

  @Test
  void aNewFileInTheirPlaceStandsStillForALook() throws Exception {
    assertThat(files.look(false)).isFalse();
    renamedOver(cert, pem("two"));
    isReadAfter(1);
    renamedOver(cert, pem("three"));
    assertThat(files.look(false)).isFalse();
    renamedOver(key, pem("three"));
    isReadAfter(1);
  }

  @Test
  void whatIsWrittenInPlaceStandsStillForTwoSecondsFromTheLastByte() throws Exception {
    Files.writeString(cert, "-----BEGIN IT-----\nhalf of ");
    for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look(false)).isFalse();
    }
    Files.writeString(cert, "it", StandardOpenOption.APPEND);
    isReadAfter(StillFiles.STILL_IN_PLACE);
  }

  @Test
  void oneFileInPlaceHoldsTheOtherBack() throws Exception {
    renamedOver(cert, pem("two"));
    Files.writeString(key, pem("two, in place"));
    isReadAfter(StillFiles.STILL_IN_PLACE);
  }

  @Test
  void whatGoesAndComesIsAChangeOnlyAsItIsWhenItStandsStill() throws Exception {
    Files.delete(key);
    isReadAfter(1);
    Files.writeString(key, pem("two"));
    isReadAfter(1);
  }

  @Test
  void whatWasReadAtSomebodysWordIsNoChange() throws Exception {
    Files.writeString(cert, pem("in place"));
    assertThat(files.look(false)).isFalse();
    files.taken();
    for (int k = 0; k <= StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look(false)).isFalse();
    }
  }

  /// By an agent that renders its templates each second, say.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whatIsWrittenAgainAndAgainAndSaysTheSameStandsStill(boolean renames) throws Exception {
    Writing by = renames ? this::renamedOver : StillFilesTest::inPlace;
    int looks = 0;
    for (boolean read = false; !read; looks++) {
      assertThat(looks).isLessThanOrEqualTo(StillFiles.STILL_IN_PLACE);
      by.write(cert, "# made at " + looks + "\n" + pem("two"));
      by.write(key, pem("two"));
      read = files.look(false);
    }
    // a new file may have the number of an old one, and is then taken for that
    assertThat(looks - 1).isGreaterThanOrEqualTo(renames ? 1 : StillFiles.STILL_IN_PLACE);
    assertThat(files.stood()).isTrue();
    for (int k = 0; k < 2 * StillFiles.LATE; k++) {
      by.write(cert, "# made at " + k + "\n" + pem("two"));
      assertThat(files.look(false)).as("nothing new").isFalse();
    }
    assertThat(files.late()).isEmpty();
  }

  @Test
  void whatIsWrittenWhileItIsReadIsReadAtTheNextLook() throws Exception {
    inPlace(cert, pem("two"));
    for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look(false)).isFalse();
    }
    assertThat(files.look(false)).isTrue();
    inPlace(cert, "# later\n" + pem("two"));
    assertThat(files.stood()).as("it may have been half of it").isFalse();
    isReadAtOnce();
  }

  @Test
  void whatChangesAllTheWhileIsLateUntilItStandsStill() throws Exception {
    for (int k = 0; k <= StillFiles.LATE; k++) {
      assertThat(files.late()).isEmpty();
      inPlace(cert, pem("a writing, " + k));
      assertThat(files.look(false)).isFalse();
    }
    assertThat(files.late()).containsExactly(cert);
    for (int k = 1; k < StillFiles.STILL_IN_PLACE; k++) {
      assertThat(files.look(false)).isFalse();
    }
    isReadAtOnce();
    assertThat(files.late()).isEmpty();
    for (int k = 0; k <= StillFiles.LATE; k++) {
      inPlace(cert, pem("another, " + k));
      files.look(false);
    }
    assertThat(files.late()).isNotEmpty();
    inPlace(cert, pem("a writing, " + StillFiles.LATE));
    assertThat(files.look(false)).isFalse();
    assertThat(files.late()).as("what was read stands there again").isEmpty();
  }

  @Test
  void whatCouldNotBeUsedIsReadAgainByAndBy() {
    for (int times = 0; times < 3; times++) {
      for (int k = 1; k < StillFiles.AGAIN; k++) {
        assertThat(files.look(true)).isFalse();
      }
      assertThat(files.look(true)).isTrue();
      assertThat(files.stood()).isTrue();
    }
    for (int k = 0; k <= StillFiles.AGAIN; k++) {
      assertThat(files.look(false)).isFalse();
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

  /// Its authority's clock is ahead, or it is for tomorrow.
  @Test
  void aListenerTakesACertificateOnceItIsValid() throws Exception {
    AtomicReference<Instant> clock = new AtomicReference<>(Instant.now());
    Instant begins = clock.get().plusSeconds(8);
    X509Bundle next = valid(begins.plus(Duration.ofDays(2)), 40);
    try (Tls.Listener listener = listener(valid(clock.get(), 20), clock::get)) {
      Instant before = listener.expires();
      renamedOver(cert, next.getCertificatePEM());
      renamedOver(key, next.getPrivateKeyPEM());
      for (int k = 0; k < 3 * StillFiles.AGAIN; k++) {
        listener.look();
      }
      assertThat(listener.refused()).contains("valid from ");
      assertThat(listener.expires()).isEqualTo(before);
      clock.set(begins.plusSeconds(1));
      for (int k = 0; k < StillFiles.AGAIN; k++) {
        listener.look();
      }
      assertThat(listener.refused()).isNull();
      assertThat(listener.expires()).isAfter(before);
    }
  }

  @Test
  void aListenerSaysThatItsFilesChangeAllTheWhile() throws Exception {
    X509Bundle one = valid(Instant.now(), 20);
    try (Tls.Listener listener = listener(one, Instant::now)) {
      for (int k = 0; k <= StillFiles.LATE; k++) {
        assertThat(listener.refused()).isNull();
        inPlace(cert, valid(Instant.now(), 21 + k).getCertificatePEM());
        listener.look();
      }
      assertThat(listener.refused())
          .isEqualTo(
              "["
                  + cert
                  + "]: written again and again, and not read for 5 s (expected: the same for 2 s, or written beside it and renamed into place)");
      inPlace(cert, one.getCertificatePEM());
      listener.look();
      assertThat(listener.refused()).isNull();
    }
  }

  private Tls.Listener listener(X509Bundle shown, InstantSource clock) throws Exception {
    Files.writeString(cert, shown.getCertificatePEM());
    Files.writeString(key, shown.getPrivateKeyPEM());
    return new Tls.Listener(new TlsFiles.Paths("tls_", cert, key, null, true), "http/1.1", clock);
  }

  /// A bundle of authorities, as those who ask others go by.
  @Test
  void clientsGoByWhatIsWrittenAgainAndAgainAndByWhatIsUsableAgain() throws Exception {
    String first = valid(Instant.now(), 20).getCertificatePEM();
    Files.writeString(cert, first);
    Tls.Credentials clients = new Tls.Credentials(new Tls.Sources(cert, null), null);
    SslContext before = clients.context;
    String second = valid(Instant.now(), 30).getCertificatePEM();
    for (int k = 0; k < StillFiles.STILL_IN_PLACE; k++) {
      inPlace(cert, second);
      assertThat(clients.look()).isTrue();
      assertThat(clients.context).isSameAs(before);
    }
    inPlace(cert, second);
    clients.look();
    SslContext after = clients.context;
    assertThat(after).isNotSameAs(before);
    renamedOver(cert, pem("no certificate"));
    for (int k = 0; k < 2 * StillFiles.AGAIN; k++) {
      assertThat(clients.look()).as("while it cannot be used").isTrue();
    }
    assertThat(clients.context).isSameAs(after);
    renamedOver(cert, first);
    clients.look();
    assertThat(clients.look()).isFalse();
    assertThat(clients.context).isNotSameAs(after);
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
