package org.infinilm.svc.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfigCheckTest {
  @TempDir Path folder;

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("f.toml"), text);
  }

  private static String check(Path file, Map<String, String> env) throws ConfigException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ConfigCheck.check(file, Main.PROGRAMS, env, new PrintStream(out, true, UTF_8));
    return out.toString(UTF_8);
  }

  @Test
  void aRoutersFileIsKnownByItsKeysAndEveryValueHasItsOrigin() throws Exception {
    Path f = file("# router\nrouter_port = 8000\nproxy_timeout = 60\nadmin_token = 'hush'\n");
    assertThat(check(f, Map.of("CACHE_TYPE_ROUTING_THRESHOLD", "100")).lines())
        .startsWith(f + ": router")
        .contains(
            "router_port = 8000  # " + f + ":2",
            "proxy_timeout = 60  # " + f + ":3",
            "threshold = 100  # CACHE_TYPE_ROUTING_THRESHOLD",
            "health_interval = 30  # default",
            "admin_token = (secret)  # " + f + ":4",
            "registry_url = (none)  # default");
  }

  @Test
  void tablesOfARoutersFileAreCheckedAsAtAStart() throws Exception {
    assertThat(check(Path.of("docs/router.toml"), Map.of()).lines())
        .startsWith("docs/router.toml: router")
        .anyMatch(l -> l.startsWith("instance = 2 of them  # docs/router.toml:"))
        .anyMatch(l -> l.startsWith("keys = 1 of them  # docs/router.toml:"))
        .anyMatch(l -> l.startsWith("model_thresholds = qwen3-8b=20000  # docs/router.toml:"));
    Path f = file("[[instance]]\nurl = \"http://h:1\"\nweight = -1\n");
    assertThatThrownBy(() -> check(f, Map.of()))
        .hasMessage(f + ":3: weight=-1 (expected: 0..9999)");
    Path k = file("[[keys]]\nname = \"a\"\nhash = \"ik-secret\"\n");
    assertThatThrownBy(() -> check(k, Map.of()))
        .hasMessageStartingWith(k + ":3: keys[0].hash: a string (expected: ");
  }

  @Test
  void aRegistrysFileIsKnownToo() throws Exception {
    Path f = file("port = 18000\ncleanup_interval = 5\n");
    assertThat(check(f, Map.of())).startsWith(f + ": registry").contains("cleanup_interval = 5");
  }

  @Test
  void anUnusableThresholdIsAWarning() throws Exception {
    assertThat(check(file("router_port = 1\nthreshold = \"50KB\"\n"), Map.of()))
        .contains("warning: ")
        .contains("f.toml:2: threshold: 50KB")
        .contains("threshold = 51200  # default");
  }

  @Test
  void aFirstByteLaterThanTheProxysLimitIsAWarningAsAtAStart() throws Exception {
    assertThat(check(file("proxy_timeout = 1\nfirst_byte_timeout = 10\n"), Map.of()))
        .contains("warning: ")
        .contains("f.toml:2: first_byte_timeout: 10")
        .contains("f.toml:1: proxy_timeout: 1");
  }

  @Test
  void errorsAreThoseOfAStart() throws Exception {
    Path typo = file("router_port = 1\nrouter_prot = 2\nregistry_sync_interval = 1\n");
    assertThatThrownBy(() -> check(typo, Map.of()))
        .hasMessage(typo + ":2: unknown key \"router_prot\" (did you mean \"router_port\"?)");
    Path url = file("router_port = 1\nregistry_url = \"localhost:18000\"\n");
    assertThatThrownBy(() -> check(url, Map.of()))
        .hasMessage(
            url
                + ":2: registry_url: localhost:18000 (expected: http://host:port, or etcd://HOST:PORT,HOST:PORT/PREFIX)");
    Path services = Files.writeString(folder.resolve("s.json"), "[\n{\"name\":\"x\"}]");
    Path router = file("router_port = 1\nstatic_services = \"" + services + "\"\n");
    assertThatThrownBy(() -> check(router, Map.of()))
        .hasMessage(services + ":2: services[0].host: missing (expected: a text)");
    Path strange = file("banana = 1\n");
    assertThatThrownBy(() -> check(strange, Map.of()))
        .hasMessageStartingWith(
            strange + ":1: unknown key \"banana\" (expected: settings of babysitter");
    Path near = file("router_prot = 1\n");
    assertThatThrownBy(() -> check(near, Map.of()))
        .hasMessageContaining("(did you mean \"router_port\"?)");
    assertThatThrownBy(() -> check(folder.resolve("none.toml"), Map.of()))
        .hasMessageEndingWith("none.toml: no such file");
  }

  @Test
  void allThatIsWrongWithARoutersFileIsSaidAtOnce() throws Exception {
    Path f =
        file(
            """
            router_prt = 1
            policy = "adaptiv"
            router_port = 1
            [[instance]]
            url = "foo"
            weigth = 3
            tier = -1
            [[keys]]
            name = "a b"
            hash = "sha256:zz"
            max_in_flight = 0
            [[keys]]
            name = "c"
            hash = "sha256:%1$s"
            [[keys]]
            name = "c"
            hash = "sha256:%1$s"
            """
                .formatted("0".repeat(64)));
    assertThatThrownBy(() -> check(f, Map.of()))
        .extracting(e -> e.getMessage().lines().map(l -> l.replace(f.toString(), "")).toList())
        .asInstanceOf(InstanceOfAssertFactories.list(String.class))
        .satisfiesExactly(
            l -> assertThat(l).startsWith(":1: unknown key \"router_prt\" (did you mean"),
            l -> assertThat(l).startsWith(":2: policy: adaptiv (expected: one of cache-type"),
            l -> assertThat(l).startsWith(":5: foo (expected: http://host:port"),
            l -> assertThat(l).startsWith(":6: unknown key \"instance[0].weigth\" (did you mean"),
            l -> assertThat(l).startsWith(":7: tier=-1 (expected:"),
            l -> assertThat(l).startsWith(":9: keys[0].name: \"a b\" (expected:"),
            l -> assertThat(l).startsWith(":10: keys[0].hash: a").doesNotContain("zz"),
            l -> assertThat(l).startsWith(":11: keys[0].max_in_flight: 0 (expected:"),
            l -> assertThat(l).startsWith(":16: keys[2].name: \"c\" (expected: a name of its own"),
            l ->
                assertThat(l)
                    .startsWith(":17: keys[2].hash:")
                    .contains("expected: a key of its own"));
  }

  /// What is found by single values, by tables, by several values together, and in other files.
  @Test
  void oneWrongOfEveryKindHidesNoneOfTheOthers() throws Exception {
    Path services =
        Files.writeString(
            folder.resolve("s.json"),
            """
            [{"name": "a", "url": "nowhere", "weight": -1},
             {"name": "b", "url": "http://h:1", "tier": "x"},
             {"name": "b", "url": "http://h:2"}]
            """);
    Path f =
        file(
            """
            router_prt = 8000
            router_port = 70000
            threshold = "100"
            policy = ["a", 5]
            host = 5
            ui_hosts = "ok.example, http://x"
            trusted_proxies = ["10.0.0.0/8", "10.0.0.300"]
            cors_origins = "https://h:99999"
            registry_url = "localhost:18000"
            discover = "dns:a:0"
            session_header = "x y"
            first_byte_timeout = "soon"
            first_byte_timeout_per_mb = 1
            static_services = "%s"
            tls_cert = "none.pem"
            tls_client_auth = "perhaps"
            otlp_endpoint = "http://127.0.0.1:99999"
            otlp_headers = "a"
            history_days = 0
            admin_token = "a b"
            [aliases]
            one = "two"
            "two" = "m"
            three = ["m", "n"]
            [model_thresholds]
            m = -1
            n = 5
            [model_limits]
            m = "1"
            [[instance]]
            url = "http://h:3"
            name = "c"
            [[instance]]
            url = "http://h:4"
            weight = -1
            [[instance]]
            url = "http://h:5"
            name = "c"
            [[keys]]
            name = "k"
            hash = "sha256:%2$s"
            [[keys]]
            name = "k"
            hash = "sha256:%3$s"
            models = []
            """
                .formatted(services, "0".repeat(64), "1".repeat(64)));
    List<String> said = new ArrayList<>();
    try {
      check(f, Map.of());
    } catch (ConfigException e) {
      said.addAll(e.getMessage().lines().map(l -> l.replace(folder + "/", "")).toList());
    }
    List<String> expected =
        List.of(
            "f.toml:1: unknown key \"router_prt\" (did you mean \"router_port\"?)",
            "f.toml:2: router_port: 70000 (expected: a whole number 0..65535)",
            "f.toml:4: policy: an array (expected: an array of strings; element 1 is",
            "f.toml:5: host: 5 (expected: a string)",
            "f.toml:6: ui_hosts: http://x (expected: an IPv4 or IPv6 address, or a host's name",
            "f.toml:7: trusted_proxies: 10.0.0.300 (expected: addresses or ranges",
            "f.toml:8: cors_origins: https://h:99999 (expected: https://host[:port]",
            "f.toml:9: registry_url: localhost:18000 (expected: http://host:port",
            "f.toml:10: discover: dns:a:0 (expected: a port 1..65535)",
            "f.toml:11: session_header: x y (expected: a header field's name)",
            "f.toml:12: first_byte_timeout: soon (expected: a number",
            "f.toml:15: tls_cert without tls_key (expected: both",
            "f.toml:15: tls_cert: none.pem: no such file (expected: a PEM file)",
            "f.toml:16: tls_client_auth: perhaps (expected: one of required, optional)",
            "f.toml:17: otlp_endpoint: http://127.0.0.1:99999 (expected: http://host:4318",
            "f.toml:18: otlp_headers: entry 1 (expected: NAME=VALUE",
            "f.toml:19: history_days: 0 (expected: a whole number 1..3660)",
            "f.toml:20: admin_token: a blank at position 2 (expected: a key",
            "f.toml:22: aliases: one=two: two is an alias itself (expected: the name of a model)",
            "f.toml:24: aliases.three: an array (expected: a single value without a comma)",
            "f.toml:26: model_thresholds: m=-1 (expected: MODEL=N",
            "f.toml:29: model_limits: m=1 (expected: MODEL=TTFT/TPOT in seconds",
            "f.toml:35: weight=-1 (expected: 0..9999)",
            "f.toml:38: instance name c given before, at f.toml:32 (expected: unique names)",
            "f.toml:43: keys[1].name: \"k\" (expected: a name of its own; f.toml:40 has the same)",
            "f.toml:45: keys[1].models: an array (expected: names of models",
            "s.json:1: services[0].url: \"nowhere\" (expected: http://host:port or https://host:port)",
            "s.json:1: services[0].weight: -1 (expected: 0 or more)",
            "s.json:2: services[1].tier: \"x\" (expected: 0..999999)",
            "s.json:3: services[2].name: \"b\" (expected: unique names)");
    assertThat(said).hasSameSizeAs(expected);
    for (int k = 0; k < expected.size(); k++) {
      assertThat(said.get(k)).startsWith(expected.get(k));
    }
  }

  /// `history = false` would be a history, in a file of that name.
  @Test
  void whatIsNoTextIsNoFileAndNoName() throws Exception {
    Path f =
        file(
            """
            router_port = 1
            history = false
            learned_state = true
            admin_token = 5
            session_header = 1979-05-27
            [aliases]
            one = true
            [model_thresholds]
            m = 5
            """);
    assertThatThrownBy(() -> check(f, Map.of()))
        .extracting(e -> e.getMessage().lines().map(l -> l.replace(f.toString(), "")).toList())
        .asInstanceOf(InstanceOfAssertFactories.list(String.class))
        .containsExactly(
            ":2: history: false (expected: a string)",
            ":3: learned_state: true (expected: a string)",
            ":4: admin_token: a number (expected: a string)",
            ":5: session_header: 1979-05-27 (expected: a string)",
            ":7: aliases.one: true (expected: a text or a number)");
    Path off = file("router_port = 1\n");
    assertThatThrownBy(() -> check(off, Map.of("INFINI_HISTORY", "false")))
        .hasMessage(
            "INFINI_HISTORY: history: false (expected: a file, or off; ./false where it is a file)");
    assertThat(check(file("router_port = 1\nhistory = \"off\"\n"), Map.of()))
        .contains("history = off");
  }

  @Test
  void anInstanceWithoutAUrlOrWithAWrongFieldHidesNeitherItsOtherFieldsNorItsTwin()
      throws Exception {
    Path f =
        file(
            """
            router_port = 1
            [[instance]]
            cache_type = "foo"
            weight = -1
            [[instance]]
            url = "http://h:1"
            name = "a"
            tier = -2
            [[instance]]
            url = "ftp://x"
            name = "a"
            [[instance]]
            url = "http://h:2"
            weight = -1
            [[instance]]
            url = "http://h:3"
            name = "h:2"
            """);
    assertThatThrownBy(() -> check(f, Map.of()))
        .extracting(e -> e.getMessage().lines().map(l -> l.replace(f.toString(), "")).toList())
        .asInstanceOf(InstanceOfAssertFactories.list(String.class))
        .satisfiesExactly(
            l -> assertThat(l).startsWith(":3: an instance without its url"),
            l -> assertThat(l).startsWith(":3: cache_type=foo (expected: paged or static)"),
            l -> assertThat(l).startsWith(":4: weight=-1 (expected:"),
            l -> assertThat(l).startsWith(":8: tier=-2 (expected:"),
            l -> assertThat(l).startsWith(":10: ftp://x (expected: http://host:port"),
            l ->
                assertThat(l)
                    .startsWith(
                        ":11: instance name a given before, at :7 (expected: unique names)"),
            l -> assertThat(l).startsWith(":14: weight=-1 (expected:"),
            l -> assertThat(l).startsWith(":17: instance name h:2 given before, at :13 ("));
  }

  @Test
  void theSameHoldsOfARegistrysAPickersAndAnEnginesFile() throws Exception {
    Path registry =
        file(
            """
            port = 99999
            host = 5
            lease = 0
            store = "etcd://nowhere"
            data_dir = "/tmp"
            token = "a b"
            token_file = "none"
            allow_probe = "x"
            router_url = "ftp://h"
            tls_cert = "none.pem"
            """);
    assertThatThrownBy(() -> check(registry, Map.of()))
        .hasMessageContainingAll(
            registry + ":1: port: 99999 (expected:",
            registry + ":2: host: 5 (expected:",
            registry + ":3: lease: 0 (expected:",
            registry + ":4: store: etcd://nowhere (expected:",
            registry + ":5: data_dir: /tmp given with --store (expected: one of them)",
            registry + ":6: token: a blank at position 2",
            registry + ":7: token_file: none: no such file",
            registry + ":8: allow_probe: x",
            registry + ":9: router_url: ftp://h (expected:",
            registry + ":10: tls_cert without tls_key");
    Path picker = file("picker_port = -1\nfallbacks = 8\n[aliases]\na = \"b\"\nb = \"c\"\n");
    assertThatThrownBy(() -> check(picker, Map.of()))
        .hasMessageContainingAll(
            picker + ":1: picker_port: -1 (expected:",
            picker + ":2: fallbacks: 8 (expected:",
            picker + ":4: aliases: a=b: b is an alias itself");
    Path engine =
        file(
            "model_path = \"none\"\nnum_blocks = 1048576\nblock_size = 1024\nhost = \"a b\"\nchunked_prefill = 0\n");
    assertThatThrownBy(() -> check(engine, Map.of()))
        .hasMessageContainingAll(
            engine + ":1: model_path: none does not exist",
            engine + ":2: num_blocks: 1048576 blocks of 1024 tokens",
            engine + ":4: host: a b (expected:");
  }

  @Test
  void whatUpHandsOnIsReadBeforeItStartsAnything() {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        new CommandLineParser(Main.PROGRAMS, Map.of())
            .run(
                List.of("up", "--policy", "adaptiv", "--wait", "x", "--host", "a b"),
                System.out,
                new PrintStream(err, true, UTF_8));
    assertThat(code).isEqualTo(2);
    assertThat(err.toString(UTF_8))
        .contains(
            "--policy: adaptiv (expected: one of ",
            "--wait: x (expected:",
            "--host: a b (expected:");
  }

  @Test
  void aWarningIsSaidBesideWhatIsWrong() throws Exception {
    Path f = file("threshold = \"50KB\"\nrouter_port = -1\n");
    assertThatThrownBy(() -> check(f, Map.of()))
        .hasMessageContainingAll(
            f + ":2: router_port: -1",
            "warning: " + f + ":1: threshold: 50KB (expected: a whole number");
  }

  @Test
  void aStartSaysTheSameAsACheck() throws Exception {
    Path f = file("router_port = 70000\n[aliases]\na = \"b\"\nb = \"c\"\n");
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        new CommandLineParser(Main.PROGRAMS, Map.of("INFINI_THREADS", "0"))
            .run(
                List.of(
                    "router",
                    "--config-file",
                    f.toString(),
                    "--instance",
                    "nowhere",
                    "--alias",
                    "x"),
                System.out,
                new PrintStream(err, true, UTF_8));
    assertThat(code).isEqualTo(2);
    assertThat(err.toString(UTF_8))
        .contains(
            f + ":1: router_port: 70000 (expected:",
            "INFINI_THREADS: threads: 0 (expected:",
            f + ":3: aliases: a=b: b is an alias itself",
            "--instance nowhere: nowhere (expected: http://host:port",
            "--alias: x (expected: NAME=MODEL)");
  }

  @Test
  void allThatIsWrongWithABabysittersFileIsSaidAtOnceBesideWhatIsIgnored() throws Exception {
    Path f =
        file(
            """
            prt = 3
            port = 70000
            name = "a/b"
            registry_url = "nowhere"
            host = "http://h"
            advertise_host = "10.0.0"
            tls_cert = "none.pem"
            tls_key = "none.pem"
            [babysitter]
            restart_delay = -1
            max_restarts = "x"
            probe = "helth"
            [backend]
            type = "command"
            work_dir = "none"
            """);
    assertThatThrownBy(() -> check(f, Map.of()))
        .hasMessageContainingAll(
            f + ":2: port: 70000",
            f + ":3: name: \"a/b\" (expected: a name",
            f + ":4: registry_url: nowhere",
            f + ":5: host: http://h (expected: an IPv4 or IPv6 address, or a host's name",
            f + ":6: advertise_host: 10.0.0 (expected:",
            f + ":7: tls_cert: none.pem: no such file",
            f + ":8: tls_key: none.pem: no such file",
            f + ":10: babysitter.restart_delay: -1",
            f + ":11: babysitter.max_restarts: \"x\"",
            f + ":12: babysitter.probe: \"helth\"",
            "backend.command: missing",
            "none (expected: a folder)",
            "warning: " + f + ":1: unknown key \"prt\", ignored (did you mean \"port\"?)");
  }

  @Test
  void aBabysittersFileOfTheOldLayoutIsChecked() throws Exception {
    String backend = "[backend]\ntype = \"command\"\ncommand = \"sleep 1\"\n";
    Path f =
        file(
            "name = \"n\"\nport = 8100\nbanana = 1\n[babysitter]\nrestart_delay = 7\n"
                + backend
                + "env = { SECRET_KEY = \"hush\" }\n[metadata]\ncache_type = \"paged\"\n");
    String said = check(f, Map.of());
    assertThat(said.lines())
        .startsWith(f + ": babysitter")
        .contains(
            "name = n  # " + f + ":1",
            "port = 8100  # " + f + ":2",
            "babysitter.restart_delay = 7  # " + f + ":5",
            "heartbeat_interval = 30  # default",
            "backend.command = sleep 1  # " + f + ":8",
            "backend.env = [SECRET_KEY=...]  # " + f + ":9",
            "metadata.cache_type = paged  # " + f + ":11")
        .anyMatch(l -> l.startsWith("warning: " + f + ":3: unknown key \"banana\""));
    assertThat(said).doesNotContain("hush");
    Path wrong = file("port = 70000\n" + backend);
    assertThatThrownBy(() -> check(wrong, Map.of()))
        .hasMessageContaining(wrong + ":1: port: 70000");
  }
}
