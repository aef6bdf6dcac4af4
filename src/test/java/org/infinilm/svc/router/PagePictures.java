package org.infinilm.svc.router;

import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Takes the pictures of the page that the documents show, in two minutes: run by hand, as `mvn
/// verify -Dtest=None -Dsurefire.failIfNoSpecifiedTests=false -Dit.test=PagePictures`, which writes
/// them to `target/page`; `docs/pictures` has those that were looked at.
class PagePictures {
  private static final String MODEL = "9g_8b_thinking";
  private static final Path TO = Path.of("target", "page");
  private static final Duration RUN = Duration.ofSeconds(150);

  @TempDir Path folder;
  private final List<SimulatedInstance> simulated = new ArrayList<>();
  private final List<Process> benches = new ArrayList<>();

  private Map<String, Object> service(Options options) throws Exception {
    SimulatedInstance i = SimulatedInstance.start(options.speed(1));
    simulated.add(i);
    boolean ofStatic = options.cacheType() == CacheType.STATIC;
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("type", "openai-api");
    metadata.put("models", List.of(MODEL));
    metadata.put("cache_type", options.cacheType().label());
    metadata.put("restarts", i.name().equals("static-b") ? 1 : 0);
    metadata.put("max_concurrency", ofStatic ? 2 : 0);
    metadata.put("max_model_len", options.capacityTokens());
    return Map.of(
        "name",
        i.name(),
        "host",
        "127.0.0.1",
        "port",
        i.port(),
        "url",
        i.url().toString(),
        "status",
        "running",
        "metadata",
        metadata);
  }

  private void bench(int port, String... given) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-jar",
                System.getProperty("infini.jar"),
                "bench",
                "--url=http://127.0.0.1:" + port,
                "--model=" + MODEL,
                "--dataset-name=cdf",
                "--random-output-len=40"));
    command.addAll(List.of(given));
    benches.add(
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("bench-" + benches.size()).toFile())
            .start());
  }

  @Test
  void picturesInLightAndDark() throws Exception {
    try (Rig rig = new Rig()) {
      List<Object> services = new ArrayList<>();
      for (String letter : List.of("a", "b")) {
        services.add(service(Options.paged("paged-" + letter, MODEL)));
        services.add(service(Options.ofStatic("static-" + letter, MODEL).maxCacheLen(40_000)));
      }
      // one of the four is listed by a folder, in which another file is damaged
      Path listed = Files.createDirectories(TO.resolve("instances"));
      Map<?, ?> last = (Map<?, ?>) services.removeLast();
      String one =
          "[[instance]]\nurl = \"%s\"\nname = \"%s\"\ncache_type = \"static\"\nmax_concurrency = 2\n"
              .formatted(last.get("url"), last.get("name"));
      Files.writeString(listed.resolve("static-b.toml"), one);
      Files.writeString(listed.resolve("paged-c.toml"), "[[instance]]\nname = \"paged-c\"\n");
      Path file = Files.write(folder.resolve("services.json"), Json.bytes(services));
      rig.launch(Ticker.SYSTEM, List.of(), "static_services=" + file, "discover=folder:" + listed);
      await().atMost(Rig.SOON).until(() -> rig.health().equals("4/4"));
      bench(rig.port(), "--dataset-path=azure", "--request-rate=4", "--num-prompts=520");
      bench(rig.port(), "--dataset-path=agent-heavy", "--request-rate=2", "--num-prompts=260");
      Browser browser = new Browser();
      try {
        String page = "http://127.0.0.1:" + rig.port() + "/ui";
        browser.open(page, 1440, 1716, false);
        long answered = Math.round(RUN.toSeconds() * 3.5);
        await()
            .atMost(RUN.multipliedBy(2))
            .until(() ->
                browser.text("#detail").matches(".* [0-9]{3} requests since the start")
                    && count(browser.text("#detail")) >= answered);
        for (boolean dark : List.of(false, true)) {
          while (!browser
              .value("document.documentElement.dataset.theme ?? 'auto'")
              .asText()
              .equals(dark ? "dark" : "light")) {
            browser.value("document.getElementById('theme').click()");
          }
          browser.value("document.getElementById('whatif-ask').click()");
          await().atMost(Rig.SOON).until(() -> browser.text("#whatif").contains("in force"));
          browser.value("document.activeElement.blur()");
          String theme = dark ? "dark" : "light";
          browser.picture(TO.resolve("page-" + theme + ".png"));
          browser.size(1440, 1140);
          browser.value("document.querySelector('.row.two').scrollIntoView()");
          await().atMost(Rig.SOON).until(() -> browser.text("#sources").contains("in trouble"));
          browser.picture(TO.resolve("page-more-" + theme + ".png"));
          browser.size(1440, 1716);
          browser.value("scrollTo(0, 0)");
        }
        browser.open(page, 390, 1500, false);
        await().atMost(Rig.SOON).until(() -> browser.text("#age").equals("live"));
        await().atMost(Rig.SOON).until(() -> browser.text("#detail").matches("[0-9].*"));
        await().atMost(Rig.SOON).until(() -> browser.text("#scatter-hint").contains("static"));
        browser.picture(TO.resolve("page-phone.png"));
      } finally {
        browser.close();
      }
    } finally {
      benches.forEach(Process::destroy);
      simulated.forEach(SimulatedInstance::close);
    }
  }

  private static long count(String detail) {
    return Long.parseLong(detail.replaceFirst(".* ([0-9]+) requests since the start", "$1"));
  }
}
