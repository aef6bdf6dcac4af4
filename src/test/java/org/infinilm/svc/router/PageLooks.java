package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The page as it is drawn and as it is read out, in a real browser. Needs Chromium; run by
/// `./infini test --page`.
class PageLooks extends PageRig {
  /// WCAG 2.2, A and AA, as far as axe-core can tell.
  private static final String CHECKS =
      "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
          + ".then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ' ' + n.target.join(' ') + ': ' + n.failureSummary)))";

  private void isWellFor(String what) throws Exception {
    try (InputStream in = PageLooks.class.getResourceAsStream("/axe.min.js")) {
      assertThat(in).isNotNull();
      browser.value(new String(in.readAllBytes(), UTF_8) + "; 0");
    }
    List<String> wrong = new ArrayList<>();
    browser.value(CHECKS).forEach(v -> wrong.add(v.asText()));
    assertThat(wrong).as(what).isEmpty();
  }

  private void isFilled() throws Exception {
    shows("#sentence", "Serving");
    shows("#scatter-hint", "20 paged, 20 static");
    shows("#errors", "wrong request");
  }

  @Test
  void screenReadersAndWeakEyesCanReadIt() throws Exception {
    startTwoPools();
    for (int k = 0; k < 20; k++) {
      send("small-" + k, 10 + k);
      send("large-" + k, 2000 + k);
    }
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: typo\r\n", Rig.BODY.replace("\"m\"", "\"nope\"")));
    for (boolean dark : List.of(false, true)) {
      String theme = dark ? "dark" : "light";
      browser.open(page(), 1440, 1000, dark);
      isFilled();
      browser.value("document.getElementById('whatif-ask').click()");
      shows("#whatif", "in force");
      isWellFor("the page, " + theme);
      browser.value("document.querySelector('#decisions .link').click()");
      shows("#drawer", "Candidates");
      isWellFor("a decision, " + theme);
      browser.value("document.getElementById('drawer').close()");
      browser.value(
          "document.querySelector('" + row("static-a") + " button:last-of-type').click()");
      eventually(() ->
          assertThat(browser.value("document.getElementById('ask').open").asBoolean()).isTrue());
      isWellFor("a question, " + theme);
    }
    browser.open(page(), 390, 844, false);
    isFilled();
    isWellFor("a phone");
  }

  /// Where on the canvas the points of each pool and the threshold are, in columns.
  private static final String DRAWN =
      """
      (() => {
        const c = document.querySelector('#scatter canvas');
        const {data, width, height} = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        const rgb = (name) => {
          const e = document.createElement('i');
          e.style.color = 'var(--' + name + ')';
          document.body.append(e);
          const v = getComputedStyle(e).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
          e.remove();
          return v;
        };
        const columns = (name) => {
          const want = rgb(name);
          const found = [];
          for (let x = 0; x < width; x++) {
            let n = 0;
            for (let y = 0; y < height; y++) {
              const k = 4 * (y * width + x);
              if (data[k + 3] > 150 && want.every((v, j) => Math.abs(data[k + j] - v) < 6)) n++;
            }
            found.push(n);
          }
          return found;
        };
        const spread = (name) => {
          const n = columns(name);
          return [n.findIndex((v) => v > 0), n.findLastIndex((v) => v > 0), n.reduce((a, b) => a + b, 0)];
        };
        const ink = columns('ink');
        return {paged: spread('paged'), static: spread('static'), threshold: ink.indexOf(Math.max(...ink)), line: Math.max(...ink), height};
      })()
      """;

  @Test
  void pointsOfThePoolsAreDrawnOnTheirSidesOfTheThreshold() throws Exception {
    startTwoPools();
    for (int k = 0; k < 5; k++) {
      send("small-" + k, 10 + 20 * k);
      send("large-" + k, 2000 + 300 * k);
    }
    for (boolean dark : List.of(false, true)) {
      browser.open(page(), 1440, 1000, dark);
      shows("#scatter-hint", "5 paged, 5 static");
      eventually(() -> {
        JsonNode d = browser.value(DRAWN);
        int threshold = d.path("threshold").asInt();
        assertThat(d.path("line").asInt()).as("" + d).isGreaterThan(d.path("height").asInt() / 3);
        assertThat(d.path("paged").path(2).asInt()).as("" + d).isGreaterThan(40);
        assertThat(d.path("static").path(2).asInt()).as("" + d).isGreaterThan(40);
        assertThat(d.path("paged").path(0).asInt()).as("" + d).isPositive();
        assertThat(d.path("paged").path(1).asInt()).as("" + d).isLessThan(threshold);
        assertThat(d.path("static").path(0).asInt()).as("" + d).isGreaterThan(threshold);
        return null;
      });
    }
  }
}
