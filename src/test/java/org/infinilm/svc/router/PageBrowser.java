package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// The page in a real browser: each panel shows what the test caused. Needs Chromium; run by
/// `./infini test --page`.
class PageBrowser extends PageRig {
  @Test
  void eachPanelShowsWhatWasCaused() throws Exception {
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving: 3 of 3 instances in service");
    shows("#age", "live");
    shows("[data-pool=static] .figures", "–");
    for (int k = 0; k < 12; k++) {
      send("small-" + k, 10 * k);
    }
    send("large-1", 2000);
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: typo\r\n", Rig.BODY.replace("\"m\"", "\"nope\"")));
    shows("[data-pool=paged] h2", "2 instances, 12 requests");
    shows("[data-pool=static] h2", "1 instance, 1 request");
    shows("[data-pool=paged] .figures", "43 % cached");
    shows("#detail", "14 requests since the start");
    shows("#scatter-hint", "the last 13 requests: 12 paged, 1 static");
    shows("#threshold-line", "Threshold configured: 300 B", "0 % of these requests");
    shows("#reasons-legend", "size", "13");
    shows("#instances", "paged-a", "static-a", "routable");
    shows("#decisions", "2.1 kB", "static-a", "size", "wrong request 404");
    shows("#errors", "wrong request: model_not_found", "404");
    shows("#events", "static-a is routable");
    shows("#models", "m", "short", "3 of 3");
    shows("#facts", "127.0.0.1:" + rig.port() + "/v1");
    assertThat(browser.value("document.title").asText()).contains("InfiniLM router");
    assertThat(
            browser
                .value(
                    "window.hacked === undefined && !document.querySelector('main script, main img')")
                .asBoolean())
        .as("a name is text")
        .isTrue();
    assertThat(browser.complaints).isEmpty();
    browser.picture(Path.of("target", "page", "light.png"));
    browser.open(page(), 1440, 1000, true);
    shows("#scatter-hint", "the last 13 requests");
    browser.picture(Path.of("target", "page", "dark.png"));
  }

  @Test
  void aDecisionOpensWithItsCandidatesAndACommandThatRepeatsIt() throws Exception {
    startTwoPools();
    send("mine", 2000);
    browser.open(page(), 1440, 1000, false);
    shows("#decisions", "static-a");
    browser.value("document.querySelector('#decisions .link').focus()");
    browser.press("Enter", "Enter", 13);
    browser.value("document.querySelector('#decisions .link').click()");
    shows("#drawer", "is above the threshold of 300 B: static", "other pool", "chosen", "In line");
    shows("#drawer pre", "curl -sS");
    assertThat(
            browser
                .value("document.querySelector('#drawer .timebar').getAttribute('aria-label')")
                .asText())
        .startsWith("In line ");
    String command = browser.text("#drawer pre");
    Process p = new ProcessBuilder("bash", "-c", command + " >/dev/null 2>&1").start();
    assertThat(p.waitFor()).isZero();
    eventually(() -> assertThat(rig.newest().path("instance").asText()).isEqualTo("static-a"));
    browser.press("Escape", "Escape", 27);
    eventually(() ->
        assertThat(browser.value("document.getElementById('drawer').open").asBoolean()).isFalse());
  }

  @Test
  void aRefusedRequestOpensWithWhatItWasTold() throws Exception {
    startTwoPools();
    String body = "{\"model\":\"sohrt\",\"messages\":[]}";
    rig.send(Rig.post(Rig.CHAT, "x-request-id: typo\r\n", body));
    browser.open(page(), 1440, 1000, false);
    shows("#decisions", "wrong request 404");
    browser.value("document.querySelector('#decisions .link').click()");
    shows("#drawer", "model_not_found", "for model 'sohrt'", body.length() + " B", "none");
  }

  @Test
  void theChartsShowHoursOutOfHistory() throws Exception {
    startTwoPools("history=" + folder.resolve("h.db"));
    for (int k = 0; k < 6; k++) {
      send("small-" + k, 10);
    }
    send("large", 2000);
    await().atMost(SOON).until(() -> rig.get("/usage").path("usage").size() == 1);
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving");
    assertThat(
            browser
                .value("document.querySelector('#ranges [aria-pressed=true]').innerText")
                .asText())
        .isEqualTo("15 min");
    choose(360);
    shows("#h-ttft", "p95 and p50");
    shows("#reasons-legend", "size", "7");
    assertThat(browser.value("document.getElementById('past-note').hidden").asBoolean()).isTrue();
    assertThat(
            browser
                .value("document.querySelector('#ranges [data-minutes=\"360\"]').ariaPressed")
                .asText())
        .isEqualTo("true");
    eventually(() ->
        assertThat(browser.value("document.querySelectorAll('#chart-ttft canvas').length").asInt())
            .isEqualTo(1));
    assertThat(browser.complaints).isEmpty();
    browser.picture(Path.of("target", "page", "hours.png"));
    choose(1440);
    shows("#h-ttft", "p95 and p50");
    choose(0);
    eventually(() -> assertThat(browser.text("#h-ttft")).isEqualTo("Time to first token, p95"));
  }

  @Test
  void withoutHistoryThePageSaysHowToTurnItOn() throws Exception {
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving");
    choose(1440);
    shows("#past-note", "history is off", "--history FILE", "the last 15 minutes");
    choose(0);
    eventually(() ->
        assertThat(browser.value("document.getElementById('past-note').hidden").asBoolean())
            .isTrue());
  }

  @Test
  void drainingAsksForAYesAndForTheTokenWhereThereIsOne() throws Exception {
    startTwoPools("admin_token=secret");
    browser.open(page(), 1440, 1000, false);
    shows("#instances", "static-a");
    String row = "[data-instance=static-a]";
    browser.value("document.querySelector('" + row + " [aria-label^=Drain]').click()");
    shows("#ask", "Drain static-a?");
    browser.value("document.getElementById('ask-yes').click()");
    shows("#ask", "Admin token");
    browser.value(
        "document.getElementById('ask-input').value = 'secret'; document.getElementById('ask-yes').click()");
    shows(row, "draining", "drained at this router", "Undrain");
    shows("#events", "static-a is draining");
    assertThat(
            browser
                .value("sessionStorage.length + localStorage.length + document.cookie.length")
                .asInt())
        .as("the token in this tab alone")
        .isEqualTo(1);
    browser.value("document.querySelector('" + row + " [aria-label^=Undrain]').click()");
    shows("#ask", "back into service");
    browser.value("document.getElementById('ask-yes').click()");
    shows(row, "routable");
  }

  /// Enter was Cancel, without a word.
  @Test
  void enterAnswersAQuestionAndEscapeTakesItBack() throws Exception {
    startTwoPools("admin_token=secret");
    browser.open(page(), 1440, 1000, false);
    String row = "[data-instance=static-a]";
    shows(row, "routable");
    browser.value("document.querySelector('" + row + " [aria-label^=Weight]').click()");
    type("7");
    browser.press("Enter", "Enter", 13);
    shows("#ask", "Admin token");
    type("секрет");
    browser.press("Enter", "Enter", 13);
    shows("#toast", "expected: visible ASCII characters");
    assertThat(browser.value("sessionStorage.length").asInt()).isZero();
    shows("#age", "live");

    browser.value("document.querySelector('" + row + " [aria-label^=Weight]').click()");
    type("7");
    browser.press("Enter", "Enter", 13);
    shows("#ask", "Admin token");
    type("secret");
    browser.press("Enter", "Enter", 13);
    eventually(() -> assertThat(rig.service("static-a").path("weight").asInt()).isEqualTo(7));

    for (String cancel : List.of("Escape", "button")) {
      browser.value("document.querySelector('" + row + " [aria-label^=Weight]').click()");
      type("9");
      if (cancel.equals("Escape")) {
        browser.press("Escape", "Escape", 27);
      } else {
        browser.value("document.getElementById('ask-no').click()");
      }
      eventually(() ->
          assertThat(browser.value("document.getElementById('ask').open").asBoolean()).isFalse());
    }
    assertThat(rig.service("static-a").path("weight").asInt()).isEqualTo(7);
  }

  /// The table was rebuilt under the decision that was open, and the focus fell off the page.
  @Test
  void theFocusComesBackToWhatADecisionWasOpenedFrom() throws Exception {
    startTwoPools();
    send("first", 10);
    browser.open(page(), 1440, 1000, false);
    shows("#decisions", "65 B");
    browser.value("document.querySelector('#decisions .link').focus()");
    browser.press("Enter", "Enter", 13);
    shows("#drawer", "is at most the threshold");
    send("second", 2000);
    shows("#detail", "2 requests since the start");
    browser.press("Escape", "Escape", 27);
    eventually(() ->
        assertThat(browser.value("document.getElementById('drawer').open").asBoolean()).isFalse());
    assertThat(
            browser
                .value("document.getElementById('decisions').contains(document.activeElement)")
                .asBoolean())
        .isTrue();
  }

  @Test
  void weightAndThresholdAreSetWithTheTokenAndTakenBack() throws Exception {
    startTwoPools("admin_token=secret");
    browser.open(page(), 1440, 1000, false);
    String row = "[data-instance=static-a]";
    shows(row, "routable");
    browser.value("document.querySelector('" + row + " [aria-label^=Weight]').click()");
    shows("#ask", "Weight of static-a", "0 to 9999");
    answer("7");
    shows("#ask", "Admin token");
    answer("secret");
    eventually(() -> assertThat(rig.service("static-a").path("weight").asInt()).isEqualTo(7));
    eventually(() -> assertThat(browser.text(row + " [aria-label^=Weight]")).isEqualTo("7"));
    browser.value("document.querySelector('" + row + " [aria-label^=Weight]').click()");
    answer("");
    eventually(() -> assertThat(rig.service("static-a").path("weight").asInt()).isEqualTo(1));

    browser.value("document.getElementById('threshold-set').click()");
    shows("#ask", "all models that have none of their own");
    assertThat(browser.value("document.getElementById('ask-input').value").asText())
        .isEqualTo("300");
    answer("12x");
    shows("#toast", "12x (expected: a whole number, or nothing)");
    browser.value("document.getElementById('threshold-set').click()");
    answer("1234");
    shows("#threshold-line", "1.2 kB");
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("1234");
    browser.value("document.getElementById('threshold-set').click()");
    answer("");
    shows("#threshold-line", "300 B");
    assertThat(browser.complaints).allMatch(c -> c.contains("401"));
  }

  @Test
  void clientsKeysAreShownWithTheirUseAndNothingOfTheKeys() throws Exception {
    rig.file = folder.resolve("router.toml");
    java.nio.file.Files.writeString(
        rig.file,
        "[[keys]]\nname = \"one\"\nhash = \""
            + ClientKey.hashLine("ik-one")
            + "\"\nrequests_per_minute = 3\nmodels = [\"m\"]\n[[keys]]\nname = \"two\"\nhash = \""
            + ClientKey.hashLine("ik-two")
            + "\"\n");
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#keys", "one", "two", "never");
    for (int k = 0; k < 4; k++) {
      rig.send(Rig.post(Rig.CHAT, "Authorization: Bearer ik-one\r\n", Rig.STREAM));
    }
    shows("#keys [data-key=one]", "3 requests", "210");
    eventually(() ->
        assertThat(
                browser
                    .value(
                        "[...document.querySelectorAll('#keys [data-key=one] td')].map(t => t.innerText).slice(1, 9).join('|')")
                    .asText())
            .isEqualTo("m|0|4|0|1|210|90|27"));
    assertThat(browser.text("body")).doesNotContain("ik-one").doesNotContain("sha256");
  }

  @Test
  void otherThresholdsAreWorkedOutWhenAskedFor() throws Exception {
    startTwoPools("admin_token=secret");
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving");
    browser.value("document.getElementById('whatif-ask').click()");
    shows("#whatif-say", "Nothing can be said: no request has been answered yet.");
    for (int k = 0; k < 24; k++) {
      send("r-" + k, k % 4 == 0 ? 2000 : 20 * k);
    }
    browser.value("document.getElementById('whatif-field').value = '1800'");
    browser.value("document.getElementById('whatif-ask').click()");
    shows("#whatif", "as recorded", "300 B in force", "1.8 kB asked");
    shows("#whatif-say", "the last 24 answered requests of m", "on average", "median recorded");
    assertThat(
            browser
                .value(
                    "document.querySelector('#whatif [data-threshold=\"1800\"] td:nth-child(2)').innerText")
                .asText())
        .isEqualTo("25 %");
    browser.picture(Path.of("target", "page", "whatif.png"));
    browser.value("document.querySelector('#whatif [data-threshold=\"1800\"] button').click()");
    shows("#ask", "Threshold");
    answer("1800");
    shows("#ask", "Admin token");
    answer("secret");
    shows("#threshold-line", "1.8 kB");
    assertThat(browser.complaints).allMatch(c -> c.contains("401"));
  }

  @Test
  void whoSleepsIsAsleepThenWakingThenInService() throws Exception {
    try (SleepingInstance sleeper = new SleepingInstance("sleeper", rig.registry, Map.of())) {
      rig.launch(org.infinilm.svc.telemetry.Ticker.SYSTEM, List.of());
      rig.awaitState("sleeper", "asleep");
      browser.open(page(), 1440, 1000, false);
      shows("#sentence", "Asleep until a request comes: 0 of 1 instance in service");
      shows(row("sleeper"), "asleep");
      shows("#events", "sleeper is asleep");
      CompletableFuture<Said> asked = new CompletableFuture<>();
      Thread.ofVirtual()
          .start(() -> {
            try {
              asked.complete(rig.chat());
            } catch (Exception | AssertionError e) {
              asked.completeExceptionally(e);
            }
          });
      await().atMost(SOON).until(() -> !sleeper.wakes.isEmpty());
      sleeper.says("starting", "");
      rig.registry.status("sleeper", "starting");
      shows(row("sleeper"), "waking");
      shows("#events", "sleeper is waking");
      shows("#flights-count", "1");
      sleeper.serves();
      assertThat(asked.get(60, TimeUnit.SECONDS).ok()).isTrue();
      shows("#sentence", "Serving: 1 of 1 instance in service");
      shows(row("sleeper"), "routable");
    }
  }

  @Test
  void whoCouldNotBeStartedIsShownWithTheReason() throws Exception {
    try (SleepingInstance sleeper = new SleepingInstance("sleeper", rig.registry, Map.of())) {
      rig.registry.tells(
          sleeper.name,
          "start_failed",
          Map.of("cause", "the process ended with status 3", "until", "2033-01-01T00:00:00Z"));
      rig.launch(org.infinilm.svc.telemetry.Ticker.SYSTEM, List.of());
      browser.open(page(), 1440, 1000, false);
      shows("#sentence", "Not serving: 0 of 1 instance in service");
      shows(row("sleeper"), "asleep", "its last start failed: the process ended with status 3");
      shows("#events", "sleeper is asleep", "ended with status 3", "not started again before");
    }
  }

  @Test
  void whereInstancesComeFromIsShownAndWhenThatIsAway() throws Exception {
    startTwoPools("discover=folder:" + folder);
    String registry = rig.registry.url().toString();
    browser.open(page(), 1440, 1000, false);
    shows("#sources", registry, "registry", "up", "3", "folder:" + folder, "none");
    shows("#routers", "No other live router shares the instances, since");
    rig.registry.close();
    shows("#sources", "down", "refused");
    shows("#events", "(" + registry + ") is down:");
    assertThat(browser.complaints).isEmpty();
  }

  @Test
  void whatIsInFlightIsShownByStageAndByInstance() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    String gauges = "vllm:num_requests_running 1\nvllm:kv_cache_usage_perc 0.425\n";
    ScriptedInstance slow =
        new ScriptedInstance(
            "static-b",
            ScriptedInstance.answering((r, n) -> {
              if (r.startsWith("GET /metrics ")) {
                return Rig.answer(200, "", gauges);
              }
              go.await();
              return Rig.OK;
            }));
    rig.listed(
        slow, Map.of("cache_type", "static", "max_concurrency", 1, "restarts", 3, "tier", 2));
    rig.start();
    browser.open(page(), 1440, 1000, false);
    shows("#models", "m");
    cell("static-b", "KV use", "43 %");
    cell("static-b", "Restarts", "3");
    cell("static-b", "TTFT p50", "–");
    assertThat(browser.text("#models td:last-child")).isEqualTo("2");
    List<Socket> clients = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      Socket c = rig.connect();
      c.getOutputStream()
          .write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(StandardCharsets.ISO_8859_1));
      clients.add(c);
    }
    shows("#flights-count", "3");
    shows("[data-stage=queued]", "2");
    shows("[data-stage=prefill]", "1");
    shows("#flights", "static-b", "prefill", "queued");
    cell("static-b", "In flight", "1 of 1");
    cell("static-b", "Waiting", "2");
    shows("[data-pool=static] .figures", "1 of 1", "2");
    go.countDown();
    shows("#flights", "Nothing is in flight.");
    cell("static-b", "In flight", "0 of 1");
    cell("static-b", "Requests", "3");
    eventually(() -> {
      assertThat(browser.text("[data-pool=static] .figures div:nth-child(2) dd")).endsWith("s");
      assertThat(browser.text("[data-pool=static] .figures div:nth-child(6)")).contains("p95");
      return null;
    });
    for (Socket c : clients) {
      c.close();
    }
  }

  @Test
  void requestsOfOneKeyStayTogetherAndTheirReasonIsCounted() throws Exception {
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving");
    String body = Rig.STREAM.replace("{\"model\"", "{\"prompt_cache_key\":\"k\",\"model\"");
    for (int k = 0; k < 5; k++) {
      rig.send(Rig.post(Rig.CHAT, "", body));
    }
    shows("#reasons-legend", "affinity", "5");
    shows("#decisions", "affinity");
    shows("[data-pool=paged] .figures", "43 % cached");
    eventually(() -> {
      assertThat(browser.text("[data-pool=paged] .figures div:nth-child(4) dd"))
          .as("time per token")
          .endsWith("s");
      return null;
    });
  }

  @Test
  void aLearnedThresholdStandsBesideTheConfiguredOne() throws Exception {
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#threshold-line", "Threshold configured: 300 B", "learned: –");
    String script =
        """
        (async () => {
          const {Scatter} = await import('/ui/scatter.js');
          const [root, caption, hint, legend] = [0, 1, 2, 3].map(() => document.createElement('div'));
          const s = new Scatter(root, caption, hint, legend, () => {});
          s.show({rows: [], router: {metric: 'bytes', threshold: 300},
            models: [{model: 'm', threshold: 300, threshold_learned: 4321, decides: 'learned'}]}, '');
          return caption.textContent;
        })()
        """;
    assertThat(browser.value(script).asText())
        .contains("configured: 300 B", "learned: 4.3 kB, in force");
  }

  @Test
  void behindAProxyOfAnotherHostAndPathItAsksForTheTokenAndThenShowsAll() throws Exception {
    startTwoPools("admin_token=secret");
    try (PathProxy proxy = new PathProxy("/gate", "router.example", rig.port())) {
      browser.open("http://127.0.0.1:" + proxy.port() + "/gate/ui", 1440, 1000, false);
      shows("#ask", "Admin token", "through a proxy");
      assertThat(browser.text("#sentence")).isEqualTo("Waiting for the router");
      answer("secret");
      shows("#sentence", "Serving: 3 of 3 instances in service");
      shows("#facts", "/gate/v1");
      browser.value(
          "document.querySelector('" + row("static-a") + " [aria-label^=Drain]').click()");
      shows("#ask", "Drain static-a?");
      browser.value("document.getElementById('ask-yes').click()");
      shows(row("static-a"), "draining");
    }
  }

  /// What a newcomer does: opens the page while `infini bench` runs.
  @Test
  void whileABenchRunsThePoolsPartAtTheThresholdWithinTenSeconds() throws Exception {
    rig.listed(streaming("paged-a"), Map.of("cache_type", "paged"));
    rig.listed(streaming("static-a"), Map.of("cache_type", "static"));
    rig.start("threshold=8000");
    Process bench =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-jar",
                System.getProperty("infini.jar"),
                "bench",
                "--url=http://127.0.0.1:" + rig.port(),
                "--model=m",
                "--dataset-name=cdf",
                "--dataset-path=agent-heavy",
                "--num-prompts=2000",
                "--request-rate=20",
                "--random-output-len=8")
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("bench.log").toFile())
            .start();
    try {
      await()
          .atMost(Duration.ofSeconds(60))
          .until(() ->
              rig.get("/decisions?limit=200").path("decisions").findValuesAsText("pool").stream()
                      .distinct()
                      .count()
                  == 2);
      browser.open(page(), 1440, 1000, false);
      await()
          .atMost(Duration.ofSeconds(10))
          .untilAsserted(() -> {
            assertThat(browser.text("#scatter-hint"))
                .matches(".*[1-9]\\d* paged, [1-9]\\d* static");
            assertThat(browser.text("#threshold-line"))
                .contains("Threshold configured: 8 kB", "0 % of these requests went against it");
            assertThat(browser.text("[data-pool=static] .figures")).doesNotStartWith("–");
          });
      assertThat(bench.isAlive()).isTrue();
    } finally {
      bench.destroy();
      bench.waitFor();
    }
  }

  @Test
  void aThousandInstancesAreAFewRowsAtATime() throws Exception {
    ScriptedInstance one = rig.good("a");
    for (int k = 0; k < 1000; k++) {
      rig.registry.add("node-%04d".formatted(k), one.port(), Map.of("cache_type", "paged"));
    }
    rig.launch(org.infinilm.svc.telemetry.Ticker.SYSTEM, List.of());
    browser.open(page(), 1440, 1000, false);
    shows("#instances-count", "1,001");
    assertThat(browser.value("document.querySelectorAll('#instances .irow.body').length").asInt())
        .isBetween(10, 60);
    browser.value("document.getElementById('instances').scrollTop = 1e9");
    shows("#instances", "node-0999");
    browser.value(
        "{const f = document.getElementById('instances-filter'); f.value = 'node-0500'; f.dispatchEvent(new Event('input'))}");
    shows("#instances-count", "1 of 1,001");
    shows("#instances", "node-0500");
  }

  @Test
  void aRouterThatComesBackIsFollowedAgainAndOldDataSaysItsAge() throws Exception {
    rig.good("a");
    rig.start();
    int port = rig.port();
    browser.open(page(), 1440, 1000, false);
    shows("#age", "live");
    rig.router().close();
    eventually(() -> assertThat(browser.text("#age")).contains("data is").contains("old"));
    Router again =
        rig.launch(org.infinilm.svc.telemetry.Ticker.SYSTEM, List.of(), "router_port=" + port);
    assertThat(again.port()).isEqualTo(port);
    eventually(() -> assertThat(browser.text("#age")).isEqualTo("live"));
  }

  @Test
  void whoComesBackAfterAnHourSeesNoLineThroughIt() throws Exception {
    startTwoPools();
    browser.open(page(), 1440, 1000, false);
    shows("#sentence", "Serving");
    String script =
        """
        (async () => {
          const {State} = await import('/ui/state.js');
          const s = new State();
          const at = (t) => ({epoch_ms: t * 1000, summary: {}, pools: [{pool: 'paged', requests_per_second: 1, tokens_per_second: {}}],
            flights: {}, reasons: {size: t}, router: {}, instances: [], decisions: []});
          s.take('snapshot', at(1000));
          for (let t = 1002; t < 1020; t += 2) s.take('tick', at(t));
          s.take('snapshot', at(1100));
          s.take('tick', at(1102));
          const soon = [...s.trend.t], gap = s.trend.paged[s.trend.t.indexOf(1020)];
          s.take('snapshot', at(5000));
          s.take('tick', at(5002));
          const late = [s.trend.t, s.trend.paged.length, s.trend.reasons.get('size')].map((x) => structuredClone(x));
          s.take('tick', at(5100));
          const slept = [s.trend.t, s.trend.paged].map((x) => structuredClone(x));
          s.take('tick', at(5098));
          s.take('tick', at(4000));
          s.take('tick', at(4002));
          return [soon.length, gap, ...late, ...slept, s.trend.t, s.trend.paged];
        })()
        """;
    assertThat(browser.value(script).toString())
        .as("no line through a gap without a snapshot, and none back in time")
        .isEqualTo("[11,null,[5002],1,[2],[5002,5004,5100],[1,null,1],[4000,4002],[1,1]]");
  }

  @Test
  void aPhoneScrollsDownAndNeverSideways() throws Exception {
    startTwoPools();
    browser.open(page(), 390, 844, true);
    shows("#sentence", "Serving");
    assertThat(browser.value("document.documentElement.scrollWidth <= innerWidth").asBoolean())
        .isTrue();
    assertThat(
            browser
                .value(
                    "[...document.querySelectorAll('button, input, select')].filter(e => !(e.innerText || e.getAttribute('aria-label') || e.closest('label'))).length")
                .asInt())
        .as("controls without a name")
        .isZero();
  }
}
