package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.registry.TableHome;
import org.infinilm.svc.tls.TlsSettings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RouterSettingsTest {
  @TempDir private Path dir;

  private static RouterConfig with(Map<String, String> flags) throws Exception {
    return RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
  }

  /// Another value than the default.
  private static String other(Key<?> k) {
    return switch (k.name()) {
      case "model_thresholds", "aliases" -> "a=7";
      case "model_limits" -> "a=1/2";
      case "registry_url", "otlp_endpoint", "otlp_traces_endpoint" -> "http://h:1";
      case "discover" -> "dns:a:1";
      case "trace_sample" -> "0.5";
      case "trusted_proxies" -> "10.0.0.0/8";
      case "decision_log_bytes" -> "70000";
      case "cors_origins" -> "http://h";
      case "framing" -> "codec";
      case "transport" -> ProxyServer.Transport.NIO.name().toLowerCase(java.util.Locale.ROOT);
      case "unknown_model_status" -> "503";
      case "alias_answers" -> "name";
      default ->
          switch (k.type().label()) {
            case "TEXT" -> "other";
            case "" -> String.valueOf(!Boolean.TRUE.equals(k.fallback()));
            case "N", "PORT", "X" -> "77";
            case "SECONDS" -> "7.5";
            default -> {
              List<String> words = new ArrayList<>(List.of(k.type().label().split("\\|")));
              words.remove(Key.show(k));
              yield words.getFirst();
            }
          };
    };
  }

  @Test
  void exactlyTheLiveSettingsHoldWithoutARestart() throws Exception {
    // two settings are errors without these
    Map<String, String> least = Map.of("first_byte_timeout", "5", "admin_token", "t");
    RouterConfig before = with(least);
    for (Key<?> k : RouterConfig.KEYS) {
      if (TlsSettings.KEYS.contains(k)) {
        assertThat(Settings.LIVE)
            .as("its files are followed, not where they are")
            .doesNotContain(k);
      }
      if (TableHome.KEYS.contains(k)) {
        assertThat(Settings.LIVE).as("where the table is").doesNotContain(k);
      }
      if (k.isTables() || TlsSettings.KEYS.contains(k) || TableHome.KEYS.contains(k)) {
        continue;
      }
      Map<String, String> flags = new HashMap<>(least);
      flags.put(k.name(), other(k));
      RouterConfig next = with(flags);
      Settings s = new Settings(before);
      s.replace(next);
      boolean live = Settings.LIVE.contains(k) && !k.equals(RouterConfig.CLIENT_KEYS);
      assertThat(s.get().equals(before)).as(k.name() + " = " + other(k)).isEqualTo(!live);
    }
  }

  @Test
  void theDocumentNamesEachLiveSetting() throws Exception {
    String doc = Files.readString(Path.of("docs/settings.md"), StandardCharsets.UTF_8);
    Set<String> named = new TreeSet<>();
    doc.lines()
        .filter(l -> l.startsWith("Live: "))
        .forEach(l -> {
          for (String w : l.substring(6).split("[`, .]+")) {
            if (!w.isBlank()) {
              named.add(w);
            }
          }
        });
    Set<String> live = new TreeSet<>();
    Settings.LIVE.forEach(k -> live.add(k.name()));
    assertThat(named).isEqualTo(live);
  }

  @Test
  void aThresholdThatWasSetHereStandsOverFilesUntilItIsTakenBack() throws Exception {
    Settings s = new Settings(with(Map.of("threshold", "10", "model_thresholds", "a=20")));
    s.threshold("a", 30L);
    s.threshold("b", 40L);
    s.replace(with(Map.of("threshold", "11", "model_thresholds", "a=21")));
    assertThat(s.get().thresholdOf("a")).isEqualTo(30);
    assertThat(s.get().thresholdOf("b")).isEqualTo(40);
    assertThat(s.get().thresholdOf("c")).isEqualTo(11);
    s.threshold("a", null);
    s.threshold("b", null);
    assertThat(s.get().thresholdOf("a")).isEqualTo(21);
    assertThat(s.get().thresholdOf("b")).isEqualTo(11);
    assertThat(s.ownThresholds()).isEmpty();
  }

  @Test
  void instancesAndTablesStandInOneFile() throws Exception {
    Path file = dir.resolve("router.toml");
    Files.writeString(
        file,
        """
        threshold = 20000
        [[instance]]
        url = "http://10.0.0.1:8000"
        name = "big"
        cache_type = "paged"
        weight = 3
        tier = 1
        max_concurrency = 4
        api_key_env = "BIG_KEY"
        health_url = "http://10.0.0.1:9000/health"
        [[instance]]
        url = "unix:/run/engine.sock"
        [model_thresholds]
        "qwen/3-8b" = 1000
        tiny = 0
        [aliases]
        fast = "tiny"
        """);
    Config c = Config.resolve(RouterConfig.KEYS, Map.of(), Map.of("BIG_KEY", "k"), file);
    Sources.Read read =
        new Sources(c, List.of("slow=big"), List.of("http://h:1"), Map.of("BIG_KEY", "k")).read();
    assertThat(read.fixed())
        .extracting(Known::name)
        .containsExactly("big", "unix:/run/engine.sock", "h:1");
    Known big = read.fixed().getFirst();
    assertThat(big.weight()).isEqualTo(3);
    assertThat(big.authorization()).isEqualTo("Bearer k");
    assertThat(big.metadata()).containsEntry("tier", 1L).containsEntry("max_concurrency", 4L);
    assertThat(read.config().thresholds()).isEqualTo(Map.of("qwen/3-8b", 1000L, "tiny", 0L));
    assertThat(read.config().names().aliases()).isEqualTo(Map.of("fast", "tiny", "slow", "big"));
  }

  private String problem(String toml) throws Exception {
    Path file = dir.resolve("router.toml");
    Files.writeString(file, toml);
    try {
      Config c = Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), file);
      new Sources(c, List.of(), List.of("http://h:1"), Map.of()).read();
      return "none";
    } catch (org.infinilm.svc.config.ConfigException e) {
      return e.getMessage().replace(dir + "/", "");
    }
  }

  @Test
  void optionsOfANameInTheDnsAreLookedAtAtTheStart() throws Exception {
    for (String[] each :
        new String[][] {
          {"weight=a", "weight=a (expected: 0..9999)"},
          {"cache_type=Paged", "cache_type=Paged (expected: paged or static)"},
          {"tier=-1", "tier=-1 (expected: 0..999999)"},
          {"max_concurrency=x", "max_concurrency=x (expected: 0..999999)"},
          {
            "api_key_env=NO",
            "api_key_env=NO: the variable is not set (expected: the instance's key)"
          },
          {"ca_file=/no/ca.pem", "ca_file=/no/ca.pem (expected: an https URL)"},
          {"tls_server_name=x", "tls_server_name=x (expected: an https URL)"},
        }) {
      for (String source : List.of("dns:llm.example:8100", "dns+srv:_http._tcp.llm.example")) {
        String spec = source + "," + each[0];
        assertThat(problem("discover = \"" + spec + "\"\n"))
            .isEqualTo("router.toml:1: discover: " + spec + ": " + each[1]);
      }
    }
    assertThat(problem("discover = \"dns:https://llm.example,ca_file=/no/ca.pem\"\n"))
        .startsWith(
            "router.toml:1: discover: dns:https://llm.example,ca_file=/no/ca.pem: ca_file=/no/ca.pem");
    assertThat(problem("discover = \"dns:a,weight=a,tier=b,dns+srv:_h._tcp.b,tier=c\"\n"))
        .as("all that is wrong at once")
        .contains("weight=a (", "tier=b (", "tier=c (");
    assertThat(
            problem(
                "discover = \"dns:my_name,cache_type=paged,weight=2,dns+srv:_http._tcp.b,tier=2\"\n"))
        .isEqualTo("none");
  }

  @Test
  void whatIsWrongWithAnInstanceIsNamedWithItsLine() throws Exception {
    String url = "[[instance]]\nurl = \"http://h:2\"\n";
    assertThat(problem("[[instance]]\nname = \"a\"\n"))
        .isEqualTo(
            "router.toml:2: an instance without its url (expected: url = \"http://host:port\")");
    assertThat(problem(url + "weigth = 3\n"))
        .isEqualTo("router.toml:3: unknown key \"instance[0].weigth\" (did you mean \"weight\"?)");
    assertThat(problem(url + "weight = -1\n"))
        .isEqualTo("router.toml:3: weight=-1 (expected: 0..9999)");
    assertThat(problem(url + "cache_type = \"page\"\n"))
        .isEqualTo("router.toml:3: cache_type=page (expected: paged or static)");
    assertThat(problem("[[instance]]\nurl = \"h:2\"\n"))
        .isEqualTo("router.toml:2: h:2 (expected: http://host:port or https://host:port)");
    assertThat(problem(url + "api_key_env = \"NO\"\n"))
        .startsWith("router.toml:3: api_key_env=NO: the variable is not set");
    assertThat(problem(url + "name = \"h:1\"\n"))
        .isEqualTo(
            "--instance: instance name h:1 given before, at router.toml:3 (expected: unique names)");
    assertThat(problem(url + "name = \"a\"\n" + url + "weight = 2\nname = \"a\"\n"))
        .isEqualTo(
            "router.toml:7: instance name a given before, at router.toml:3 (expected: unique names)");
    assertThat(problem("instance = [\"http://h:2\"]\n"))
        .isEqualTo("router.toml:1: instance: an array (expected: tables [[instance]])");
    assertThat(problem("[threshold]\na = 1\n"))
        .isEqualTo("router.toml:1: threshold: a table (expected: a single value)");
    assertThat(problem("[model_thresholds]\na = \"x\"\n"))
        .isEqualTo(
            "router.toml:2: model_thresholds: a=x (expected: MODEL=N, a whole number of 0 or more)");
  }

  @Test
  void changesAreNamedByTheirKeys() throws Exception {
    Config a = Config.resolve(RouterConfig.KEYS, Map.of("threshold", "1"), Map.of(), null);
    Config b =
        Config.resolve(
            RouterConfig.KEYS,
            Map.of("threshold", "2", "host", "h", "policy", "session"),
            Map.of(),
            null);
    assertThat(b.changedFrom(a))
        .extracting(Key::name)
        .containsExactly("host", "policy", "threshold");
    assertThat(Settings.restartFor(b.changedFrom(a))).containsExactly("host");
  }
}
