package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// A router in this process, with instances that answer as they are told, and a browser before it.
abstract class PageRig {
  static final Duration SOON = Duration.ofSeconds(40);
  static final String HOSTILE = "<script>window.hacked=1</script><img src=x onerror=hacked=1>";
  static final String EVENTS =
      "data: {\"choices\":[{}]}\n\ndata: {\"choices\":[{}]}\n\n"
          + "data: {\"usage\":{\"prompt_tokens\":70,\"completion_tokens\":9,"
          + "\"prompt_tokens_details\":{\"cached_tokens\":30}}}\n\ndata: [DONE]\n\n";

  @TempDir Path folder;
  Rig rig;
  Browser browser;

  @BeforeEach
  void open() throws Exception {
    rig = new Rig();
    browser = new Browser();
  }

  @AfterEach
  void close() throws Exception {
    browser.close();
    rig.close();
  }

  static ScriptedInstance streaming(String name) throws Exception {
    return new ScriptedInstance(
        name,
        ScriptedInstance.answering((r, n) ->
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
                + EVENTS.length()
                + "\r\n\r\n"
                + EVENTS));
  }

  void shows(String selector, String... words) {
    eventually(() -> {
      assertThat(browser.text(selector)).as(selector).contains(words);
      return null;
    });
  }

  static void eventually(Callable<?> what) {
    await().atMost(SOON).untilAsserted(what::call);
  }

  void startTwoPools(String... settings) throws Exception {
    rig.listed(streaming("paged-a"), Map.of("cache_type", "paged"));
    rig.listed(streaming(HOSTILE), Map.of("cache_type", "paged"));
    rig.listed(streaming("static-a"), Map.of("cache_type", "static"));
    String[] all = java.util.Arrays.copyOf(settings, settings.length + 2);
    all[settings.length] = "threshold=300";
    all[settings.length + 1] = "aliases=short=m";
    rig.start(all);
  }

  String page() {
    return "http://127.0.0.1:" + rig.port() + "/ui";
  }

  void send(String id, int letters) throws Exception {
    String body = Rig.STREAM.replace("[]", "[{\"content\":\"" + "x".repeat(letters) + "\"}]");
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: " + id + "\r\n", body));
  }

  void choose(int minutes) throws Exception {
    browser.value("document.querySelector('#ranges [data-minutes=\"" + minutes + "\"]').click()");
  }

  void type(String value) throws Exception {
    browser.value("document.getElementById('ask-input').value = '" + value + "'");
  }

  void answer(String value) throws Exception {
    browser.value(
        "document.getElementById('ask-input').value = '"
            + value
            + "'; document.getElementById('ask-yes').click()");
  }

  static String row(String name) {
    return "[data-instance=" + name + "]";
  }

  /// The cells of an instance's row, by their column's name.
  void cell(String instance, String column, String value) {
    String script =
        "(() => {const heads = [...document.querySelectorAll('#instances [role=columnheader]')].map(h => h.innerText.replace(/ [↑↓]$/, '')); "
            + "const cells = [...document.querySelectorAll('"
            + row(instance)
            + " [role=cell]')].map(c => c.innerText); return cells[heads.indexOf('"
            + column
            + "')] ?? ''})()";
    eventually(() -> {
      assertThat(browser.value(script).asText().strip())
          .as(instance + ", " + column)
          .isEqualTo(value);
      return null;
    });
  }
}
