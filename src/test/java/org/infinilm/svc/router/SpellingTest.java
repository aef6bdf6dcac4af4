package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpellingTest {
  @ParameterizedTest
  @CsvSource({
    "/%6detrics, /metrics",
    "/%6Detrics, /metrics",
    "//metrics, /metrics",
    "/./metrics, /metrics",
    "/v1/../metrics, /metrics",
    "/v1/%2e%2e/metrics, /metrics",
    "/metrics;a=b, /metrics",
    "/metrics/, /metrics",
    "/admin%2fdrain, /admin/drain",
    "/u%69/page.js, /ui/page.js",
    "/%68ealth, /health",
    "/..//stats/., /stats",
    "/health%0a, /health",
    "/metrics%20%0A, /metrics",
    "/%zz/../%6detrics, /metrics",
    "/%6detrics/x, /metrics/x"
  })
  void whatAServerMayTakeForOneOfOursIsOurs(String path, String meant) {
    assertThat(Spelling.isOdd(path)).isTrue();
    assertThat(Spelling.meant(path)).isEqualTo(meant);
    assertThat(OwnRoutes.owns(path)).isTrue();
    assertThat(OwnRoutes.isForClients(path)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/v1//chat/completions",
        "/v1/files/a%20b",
        "/v1/%63hat/completions",
        "/a;b/c",
        "/x/../y",
        "/%256detrics",
        "/v1/metrics/",
        "/",
        "//",
        "/%"
      })
  void whatMeansNoneOfOursGoesOn(String path) {
    assertThat(OwnRoutes.owns(path)).isFalse();
  }

  /// Engines show their figures there too.
  @ParameterizedTest
  @ValueSource(strings = {"/metricsx", "/metrics/x", "/metrics-", "/metrics/"})
  void whateverBeginsAsTheFiguresDoIsOurs(String path) {
    assertThat(OwnRoutes.owns(path)).isTrue();
    assertThat(OwnRoutes.isForClients(path)).isFalse();
  }

  @Test
  void routesAsTheyAreWrittenMeanWhatTheySay() {
    for (Route r : Route.values()) {
      assertThat(r.paths()).noneMatch(Spelling::isOdd).noneMatch(OwnRoutes::owns);
    }
    for (String own : List.of("/metrics", "/v1/models/org%2Fm", "/ui", "/ui/", "/admin/x/")) {
      assertThat(OwnRoutes.owns(own)).as(own).isTrue();
    }
  }
}
