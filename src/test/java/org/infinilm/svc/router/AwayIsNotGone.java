package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.infinilm.svc.router.Rig.SOON;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The contract of everything that lists instances: who cannot be asked takes none out, says that,
/// and is believed again afterwards. A class for each kind of surroundings gives the sources and
/// the ways in which they can be away.
abstract class AwayIsNotGone {
  /// Absence counts after this; all ways last longer.
  private static final String GRACE = "service_removal_grace_period=1";

  interface Act {
    void perform() throws Exception;
  }

  /// How a source is away.
  ///
  /// @param lasts long enough that it would have taken somebody out
  record Way(Act away, Act back, Duration lasts) {}

  /// A source that lists two instances.
  abstract static class Home {
    final Map<String, Way> ways = new LinkedHashMap<>();

    /// Its kind in `/stats`.
    String kind = "";

    String stays = "a";
    String leaves = "b";

    void way(String name, Act away, Act back) {
      ways.put(name, new Way(away, back, Duration.ofSeconds(5)));
    }

    abstract String setting();

    /// Takes the one that leaves out of the list.
    abstract void remove() throws Exception;
  }

  @TempDir Path dir;
  final List<AutoCloseable> opened = new ArrayList<>();
  Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    for (AutoCloseable c : opened.reversed()) {
      c.close();
    }
  }

  abstract Home home(String kind) throws Exception;

  private String source(String kind) throws Exception {
    for (JsonNode s : rig.get("/stats").path("sources")) {
      if (s.path("kind").asText().equals(kind)) {
        return s.path("state").asText();
      }
    }
    return "none";
  }

  private void bothServe(Home h) throws Exception {
    assertThat(rig.service(h.stays).path("state").asText()).isEqualTo("routable");
    assertThat(rig.service(h.leaves).path("state").asText()).isEqualTo("routable");
  }

  @ParameterizedTest
  @MethodSource("ways")
  void whoCannotBeAskedTakesNobodyOut(String kind, String how) throws Exception {
    Home h = home(kind);
    rig.launch(Ticker.SYSTEM, List.of(), h.setting(), GRACE);
    // The first of its kind waits for the classes of a client of Kubernetes, too.
    await().atMost(SOON.multipliedBy(3)).ignoreExceptions().untilAsserted(() -> bothServe(h));
    Way way = h.ways.get(how);
    way.away().perform();
    await()
        .atMost(way.lasts().plus(SOON))
        .until(() -> List.of("down", "troubled").contains(source(h.kind)));
    await()
        .during(way.lasts())
        .atMost(way.lasts().plus(SOON))
        .failFast(() -> bothServe(h))
        .untilAsserted(() -> bothServe(h));
    assertThat(rig.chat().status()).isEqualTo(200);
    way.back().perform();
    await().atMost(SOON.multipliedBy(2)).until(() -> source(h.kind).equals("up"));
    bothServe(h);
    h.remove();
    rig.awaitState(h.leaves, "gone");
    assertThat(rig.service(h.stays).path("state").asText()).isEqualTo("routable");
  }
}
