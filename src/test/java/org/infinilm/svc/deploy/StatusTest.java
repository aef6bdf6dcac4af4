package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.deploy.Status.InstanceRow;
import org.infinilm.svc.deploy.Status.PartRow;
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
}
