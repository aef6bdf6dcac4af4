package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.top.InstancePrograms;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The commands that act on a running router.
class AdminCommandsIT {
  private static final String MODELS = "{\"data\":[{\"id\":\"m\"}]}";

  private Rig rig;
  private ScriptedInstance more;
  private String out = "";
  private String err = "";

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.good("a");
    rig.start("admin_token=admin");
    more =
        new ScriptedInstance(
            "more",
            ScriptedInstance.answering(
                (r, n) -> r.startsWith("POST") ? Rig.OK : Rig.answer(200, "", MODELS)));
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    more.close();
  }

  private int run(String command, Map<String, String> flags, String... positionals)
      throws Exception {
    Program p =
        InstancePrograms.PROGRAMS.stream()
            .filter(x -> x.name().equals(command))
            .findFirst()
            .orElseThrow();
    Map<String, String> all = new HashMap<>(Map.of("url", "http://127.0.0.1:" + rig.port()));
    all.putAll(flags);
    Config config = Config.resolve(p.keys(), all, Map.of("INFINI_ADMIN_TOKEN", "admin"), null);
    PrintStream stdout = System.out;
    PrintStream stderr = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    ByteArrayOutputStream complained = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, UTF_8));
    System.setErr(new PrintStream(complained, true, UTF_8));
    try {
      return p.run().run(new Program.Args(config, all, List.of(positionals), Map.of()));
    } finally {
      System.setOut(stdout);
      System.setErr(stderr);
      out = said.toString(UTF_8);
      err = complained.toString(UTF_8);
    }
  }

  @Test
  void instanceAddAndRm() throws Exception {
    String spec =
        "http://127.0.0.1:%d,name=more,weight=3,health_url=http://127.0.0.1:%d/health"
            .formatted(more.port(), more.port() + 1);
    assertThat(run("instance add", Map.of(), spec)).isZero();
    assertThat(out).isEqualTo("instance more: kept false\n");
    rig.awaitState("more", "routable");
    assertThat(rig.service("more").path("weight").asInt()).isEqualTo(3);
    assertThat(run("instance add", Map.of(), spec)).as("again").isEqualTo(1);
    assertThat(err).contains("name: more (expected: a name that no instance has here)");
    assertThat(run("instance add", Map.of("keep", "true"), "http://h:1")).isEqualTo(1);
    assertThat(err).contains("keep: true (expected: a router with added_instances = FILE)");
    assertThat(run("instance rm", Map.of(), "more")).isZero();
    assertThat(out).isEqualTo("instance more: removed true\n");
    rig.awaitState("more", "gone");
    assertThat(run("instance rm", Map.of(), "a")).isEqualTo(1);
    assertThat(err).contains("instance a was not added over HTTP");
  }

  @Test
  void instanceDrainAndUndrain() throws Exception {
    assertThat(run("instance drain", Map.of(), "a")).isZero();
    assertThat(out).isEqualTo("instance a: drained true\n");
    rig.awaitState("a", "draining");
    assertThat(run("instance undrain", Map.of(), "a")).isZero();
    rig.awaitState("a", "routable");
    assertThat(run("instance drain", Map.of(), "b")).isEqualTo(1);
    assertThat(err).contains("instance b is not known here");
  }

  @Test
  void instanceWeight() throws Exception {
    assertThat(run("instance weight", Map.of(), "a=7")).isZero();
    await().atMost(Rig.SOON).until(() -> rig.service("a").path("weight").asInt() == 7);
    assertThat(run("instance weight", Map.of(), "a=own")).isZero();
    assertThat(out).isEqualTo("instance a: weight its own again\n");
    await().atMost(Rig.SOON).until(() -> rig.service("a").path("weight").asInt() == 1);
    assertThatThrownBy(() -> run("instance weight", Map.of(), "a"))
        .isInstanceOf(ConfigException.class)
        .hasMessage("instance weight: a (expected: NAME=N)");
  }

  @Test
  void threshold() throws Exception {
    assertThat(run("threshold", Map.of(), "5")).isZero();
    assertThat(out).isEqualTo("all models: threshold 5\n");
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("5");
    assertThat(run("threshold", Map.of("model", "m"), "6")).isZero();
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("6");
    assertThat(run("threshold", Map.of("model", "m"), "own")).isZero();
    assertThat(run("threshold", Map.of(), "own")).isZero();
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("51200");
    assertThat(run("threshold", Map.of("model", "no"), "6")).isEqualTo(1);
    assertThat(err).contains("model 'no'");
  }

  @Test
  void whatIf() throws Exception {
    assertThat(run("whatif", Map.of())).isEqualTo(1);
    assertThat(err).contains("no request has been answered yet");
    rig.chat();
    assertThat(run("whatif", Map.of(), "700")).isEqualTo(1);
    assertThat(err).contains("instance of the model (expected: paged and static ones");
    assertThatThrownBy(() -> run("whatif", Map.of(), "many"))
        .isInstanceOf(ConfigException.class)
        .hasMessage("whatif: many (expected: one whole number, or none)");
    assertThat(run("whatif", Map.of("model", "no"))).isEqualTo(1);
    assertThat(err).contains("model 'no'");
  }

  @Test
  void instanceList() throws Exception {
    assertThat(run("instance list", Map.of())).isZero();
    assertThat(out.lines().skip(1)).singleElement().asString().matches("a +routable .*");
    assertThat(run("instance list", Map.of("json", "true"))).isZero();
    assertThat(out).startsWith("[").contains("\"name\":\"a\"");
  }

  @Test
  void whoHasAnotherTokenIsToldAndSoIsWhoFindsNoRouter() throws Exception {
    assertThat(run("instance drain", Map.of("admin_token", "other"), "a")).isEqualTo(1);
    assertThat(err).contains("the admin token").doesNotContain("other");
    assertThat(run("threshold", Map.of("url", "http://127.0.0.1:1"), "5")).isEqualTo(1);
    assertThat(err).startsWith("infini threshold: http://127.0.0.1:1: ");
  }
}
