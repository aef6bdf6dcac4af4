package org.infinilm.svc.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
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
                + ":2: localhost:18000 (expected: http://host:port, or etcd://HOST:PORT,HOST:PORT/PREFIX)");
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
            l -> assertThat(l).startsWith(":9: keys[0].name: \"a b\" (expected:"),
            l -> assertThat(l).startsWith(":10: keys[0].hash: a").doesNotContain("zz"),
            l -> assertThat(l).startsWith(":11: keys[0].max_in_flight: 0 (expected:"),
            l -> assertThat(l).startsWith(":16: keys[2].name: \"c\" (expected: a name of its own"),
            l ->
                assertThat(l)
                    .startsWith(":17: keys[2].hash:")
                    .contains("expected: a key of its own"),
            l -> assertThat(l).startsWith(":6: unknown key \"instance[0].weigth\" (did you mean"),
            l -> assertThat(l).startsWith(":5: foo (expected: http://host:port"),
            l -> assertThat(l).startsWith(":7: tier=-1 (expected:"));
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
            f + ":3: \"a/b\" (expected: a name",
            f + ":4: registry_url: nowhere",
            f + ":6: babysitter.restart_delay: -1",
            f + ":7: babysitter.max_restarts: \"x\"",
            f + ":8: babysitter.probe: \"helth\"",
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
