package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// What stands still on the page, in a real browser: tables under a hand, and a stream that has
/// gone silent. Needs Chromium; run by `./infini test --page`.
class PageHolds extends PageRig {
  private static final String NOTE = "#h-decisions";
  private static final String LARGE = "2.1 kB";

  /// Contrast of the note with what is behind it (WCAG 2.2, 1.4.3: 4.5 at least).
  private static final String CONTRAST =
      """
      (() => {
        const light = (c) => c.match(/[0-9.]+/g).slice(0, 3).map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((s, v, k) => s + v * [0.2126, 0.7152, 0.0722][k], 0);
        const one = light(getComputedStyle(document.querySelector('#h-decisions .held')).color);
        const other = light(getComputedStyle(document.querySelector('section.panel')).backgroundColor);
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      })()
      """;

  private void openWithOneDecision() throws Exception {
    startTwoPools();
    send("first", 10);
    browser.open(page(), 1440, 1000, false);
    shows("#decisions", "65 B");
  }

  /// It stood still for as long as the pointer was left there, and the page said "live".
  @Test
  void aTableUnderThePointerSaysSoAndGoesOnAfterAWhile() throws Exception {
    openWithOneDecision();
    browser.point("#decisions tbody tr", 20);
    assertThat(browser.text(NOTE)).as("nothing is newer").isEqualTo("Last decisions");
    send("second", 2000);
    send("third", 2000);
    AtomicInteger moves = new AtomicInteger();
    eventually(() -> {
      browser.point("#decisions tbody tr", 20 + moves.getAndIncrement() % 2);
      assertThat(browser.text(NOTE)).contains("held while you point at it: 2 newer");
      return null;
    });
    assertThat(browser.text("#decisions")).doesNotContain(LARGE);
    assertThat(browser.text(NOTE + " [role=status]")).isEqualTo("held while you point at it");
    for (String theme : List.of("light", "dark")) {
      browser.value("document.documentElement.dataset.theme = '" + theme + "'");
      assertThat(browser.value(CONTRAST).asDouble()).as(theme).isGreaterThan(4.5);
    }
    // the pointer is where it was
    shows("#decisions", LARGE);
    eventually(() -> assertThat(browser.text(NOTE)).isEqualTo("Last decisions"));
    assertThat(browser.complaints).isEmpty();
  }

  @Test
  void aTableThatGoesOnKeepsTheFocusInItsRow() throws Exception {
    openWithOneDecision();
    String row = "document.activeElement?.dataset?.row ?? ''";
    browser.value("document.querySelector('#decisions .link').focus()");
    String focused = browser.value(row).asText();
    assertThat(focused).endsWith(" first");
    send("second", 2000);
    shows("#decisions", LARGE);
    assertThat(browser.value(row).asText()).isEqualTo(focused);
    assertThat(browser.text("#decisions tbody tr")).as("above it").contains(LARGE);
  }

  /// No dialog is open for ever, but for as long as somebody reads.
  @Test
  void whatAnOpenDialogHoldsIsTold() throws Exception {
    openWithOneDecision();
    browser.value("document.querySelector('#decisions .link').click()");
    shows("#drawer", "is at most the threshold");
    send("second", 2000);
    shows(NOTE, "held while a dialog is open: 1 newer");
    browser.value("document.getElementById('drawer').close()");
    shows("#decisions", LARGE);
  }

  /// Passes everything on, until it forgets the connections that there are.
  private static final class ForgettingProxy implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final List<Socket> all = new ArrayList<>();
    private volatile int forgotten;

    ForgettingProxy(int router) throws IOException {
      Thread.ofVirtual()
          .start(() -> {
            try {
              for (int n = 1; ; n++) {
                int number = n;
                Socket client = listener.accept();
                Socket up = new Socket(InetAddress.getLoopbackAddress(), router);
                synchronized (all) {
                  all.addAll(List.of(client, up));
                }
                Thread.ofVirtual().start(() -> copy(number, client, up));
                Thread.ofVirtual().start(() -> copy(number, up, client));
              }
            } catch (IOException closed) {
              // the end
            }
          });
    }

    private void copy(int number, Socket from, Socket to) {
      try {
        InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream();
        byte[] some = new byte[8192];
        for (int n = in.read(some); n >= 0; n = in.read(some)) {
          if (number > forgotten) {
            out.write(some, 0, n);
            out.flush();
          }
        }
        if (number > forgotten) {
          to.close();
        }
      } catch (IOException gone) {
        // one of both has left
      }
    }

    /// Those of now hear nothing any more, and nobody tells them.
    void forget() {
      synchronized (all) {
        forgotten = all.size() / 2;
      }
    }

    int port() {
      return listener.getLocalPort();
    }

    @Override
    public void close() throws IOException {
      listener.close();
      synchronized (all) {
        for (Socket s : all) {
          s.close();
        }
      }
    }
  }

  /// It showed the last that it had heard for ever: a connection that is forgotten on the way does
  /// not end.
  @Test
  void aStreamThatIsSilentIsLeftForAnother() throws Exception {
    startTwoPools();
    try (ForgettingProxy between = new ForgettingProxy(rig.port())) {
      browser.open("http://127.0.0.1:" + between.port() + "/ui", 1440, 1000, false);
      shows("#sentence", "Serving");
      String old = "document.getElementById('sentence').hasAttribute('data-old')";
      assertThat(browser.value(old).asBoolean()).isFalse();
      between.forget();
      eventually(() -> assertThat(browser.value(old).asBoolean()).as("told as old").isTrue());
      send("after", 2000);
      shows("#decisions", LARGE);
      eventually(() -> assertThat(browser.text("#age")).isEqualTo("live"));
      assertThat(browser.value(old).asBoolean()).isFalse();
    }
  }
}
