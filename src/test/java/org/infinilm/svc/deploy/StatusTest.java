package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.deploy.Status.InstanceRow;
import org.infinilm.svc.deploy.Status.PartRow;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

class StatusTest {
  private static final PartRow ROUTER =
      new PartRow("router", 11, 8000, true, "ok", Duration.ofSeconds(3725));
  private static final InstanceRow PAGED =
      new InstanceRow("p-server", "paged", true, "routable", "", false, 1, 24);

  @Test
  void allWellIsOk() {
    assertThat(new Status(List.of(ROUTER), List.of(PAGED), List.of(), Sight.NONE, true).ok())
        .isTrue();
  }

  @Test
  void anyEndedPartSickInstanceOrSilentRouterIsNot() {
    PartRow ended = new PartRow("p", 12, 8100, false, "ended", Duration.ZERO);
    InstanceRow sick =
        new InstanceRow("s-server", "static", false, "ejected", "connections failed", false, 0, 0);

    assertThat(new Status(List.of(ROUTER, ended), List.of(PAGED), List.of(), Sight.NONE, true).ok())
        .isFalse();
    assertThat(new Status(List.of(ROUTER), List.of(PAGED, sick), List.of(), Sight.NONE, true).ok())
        .isFalse();
    assertThat(new Status(List.of(ROUTER), List.of(), List.of(), Sight.NONE, true).ok()).isFalse();
    assertThat(new Status(List.of(ROUTER), List.of(PAGED), List.of(), Sight.NONE, false).ok())
        .isFalse();
  }

  @Test
  void whoSleepsIsWell() {
    PartRow sitter = new PartRow("p", 12, 8101, true, "asleep", Duration.ofSeconds(1));
    InstanceRow asleep =
        new InstanceRow(
            "p-server", "paged", false, "asleep", "it sleeps until a request comes", true, 0, 0);
    Status all = new Status(List.of(ROUTER, sitter), List.of(asleep), List.of(), Sight.NONE, true);
    assertThat(all.ok()).isTrue();
    Terminal plain = new Terminal(new PrintStream(PrintStream.nullOutputStream()), false, false);
    assertThat(all.tables(plain)).contains("1s  asleep", "asleep: it sleeps until a request comes");
    InstanceRow waking = new InstanceRow("p-server", "paged", false, "waking", "", false, 0, 0);
    assertThat(new Status(List.of(ROUTER), List.of(waking), List.of(), Sight.NONE, true).ok())
        .isFalse();
  }

  @Test
  void whoSleepsSinceItCouldNotBeStartedIsNotWell() {
    String why = "its last start failed: the process ended with status 3";
    InstanceRow rests = new InstanceRow("p-server", "paged", false, "asleep", why, false, 0, 0);
    Status all = new Status(List.of(ROUTER), List.of(PAGED, rests), List.of(), Sight.NONE, true);
    assertThat(all.ok()).isFalse();
    Terminal plain = new Terminal(new PrintStream(PrintStream.nullOutputStream()), false, false);
    assertThat(all.tables(plain)).contains("asleep: " + why);
  }

  @Test
  void sourcesAndLiveRoutersAreShownAndOneThatIsDownIsNotWell() throws Exception {
    String stats =
        """
        {"routers": {"known": 3, "heard_of": 2, "since": "2026-01-02T03:04:05Z", "age_seconds": 0.2},
         "sources": [
          {"source": "http://r:18000", "kind": "registry", "state": "down", "instances": 2,
           "age_seconds": 65.0, "error": "http://r:18000: refused", "error_age_seconds": 60.4},
          {"source": "folder:/x", "kind": "folder", "state": "up", "instances": 1,
           "age_seconds": 1.0, "error": "/x/a.toml:1: bad", "error_age_seconds": 3725},
          {"source": "settings", "kind": "settings", "state": "up", "instances": 1,
           "age_seconds": null, "error": null, "error_age_seconds": null}]}
        """;
    Sight sight = Sight.of(Json.tree(stats.getBytes(StandardCharsets.UTF_8)));
    Status all = new Status(List.of(ROUTER), List.of(PAGED), List.of(), sight, true);
    assertThat(all.ok()).isFalse();
    Terminal plain = new Terminal(new PrintStream(PrintStream.nullOutputStream()), false, false);
    assertThat(all.tables(plain).lines().skip(5))
        .containsExactly(
            "",
            "SOURCE                                 KIND INSTANCES       AGE  STATE",
            "http://r:18000                     registry         2      1m5s  down:"
                + " http://r:18000: refused (1m0s ago)",
            "folder:/x                            folder         1        1s  up; before,"
                + " /x/a.toml:1: bad (1h2m ago)",
            "settings                           settings         1         -  up",
            "",
            "3 live routers share the instances and their seats, since 2026-01-02T03:04:05Z");
    assertThat(Json.tree(Json.bytes(all.json())).at("/sources/0/age_seconds").asDouble())
        .isEqualTo(65);
    assertThat(Json.tree(Json.bytes(all.json())).at("/routers/live").asInt()).isEqualTo(3);
  }

  @Test
  void tablesHaveOneLineForEachPartAndInstance() {
    Terminal plain = new Terminal(new PrintStream(PrintStream.nullOutputStream()), false, false);

    InstanceRow sick =
        new InstanceRow("s-server", "static", false, "ejected", "connections failed", false, 0, 0);
    Status all = new Status(List.of(ROUTER), List.of(PAGED, sick), List.of(), Sight.NONE, true);
    assertThat(all.tables(plain).lines())
        .containsExactly(
            "PART                                    PID      PORT    UPTIME  HEALTH",
            "router                                   11      8000      1h2m  ok",
            "",
            "INSTANCE                               POOL IN-FLIGHT    SERVED  STATE",
            "p-server                              paged         1        24  routable",
            "s-server                             static         0         0  ejected: connections"
                + " failed");
  }

  @Test
  void coloursAreOnlyForTerminals() {
    PrintStream out = new PrintStream(PrintStream.nullOutputStream());

    assertThat(new Terminal(out, true, true).green("ok")).contains("\u001b[");
    assertThat(new Terminal(out, true, false).green("ok")).isEqualTo("ok");
  }

  @Test
  void whatIsLearnedOfRequestsWithoutAModelHasNoName() throws Exception {
    String decisions =
        """
        {"learned": [{"model": null, "decides": "cold", "effective_threshold": null, "answers": 3},
                     {"model": "m", "decides": "learned", "effective_threshold": 5, "answers": 40}]}
        """;
    assertThat(Status.learned(Json.tree(decisions.getBytes(StandardCharsets.UTF_8))))
        .containsExactly(
            new Status.ModelRow("-", "cold", "-", 3), new Status.ModelRow("m", "learned", "5", 40));
  }
}
