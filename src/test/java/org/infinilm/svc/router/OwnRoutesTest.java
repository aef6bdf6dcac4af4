package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Who may read decisions.
class OwnRoutesTest {
  private static final Request.Gone HERE =
      new Request.Gone() {
        @Override
        public void onGone(Runnable callback) {
          // it stays
        }

        @Override
        public boolean isGone() {
          return false;
        }
      };

  private static final class Silent implements EventFeed.Source {
    @Override
    public Map<String, Object> snapshot() {
      return Map.of();
    }

    @Override
    public Map<String, Object> tick() {
      return Map.of();
    }

    @Override
    public void rest() {}
  }

  private static Response decisions(String token, String peer, @Nullable String field)
      throws Exception {
    Map<String, String> flags = token.isEmpty() ? Map.of() : Map.of("admin_token", token);
    RouterConfig config = RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
    Slots slots = new Slots();
    Seats seats = new Seats(slots, config.seating().line(), 0, Ticker.SYSTEM);
    try (FleetKeeper keeper =
        new FleetKeeper(
            config,
            slots,
            seats,
            h -> new java.net.InetAddress[0],
            Ticker.SYSTEM,
            new SplittableRandom(1))) {
      OwnRoutes own =
          new OwnRoutes(
              () -> config,
              () -> null,
              new KeyRing(config.keys(), Ticker.SYSTEM),
              keeper,
              seats,
              new RouterMetrics(new Metrics(), keeper::table, seats, Ticker.SYSTEM),
              new Decisions(16),
              new Past(null, Ticker.SYSTEM),
              Ticker.SYSTEM,
              () -> false,
              new EventFeed(new Silent(), Ticker.SYSTEM),
              Policies.create("cache-type"),
              new AdminRoutes(
                  new Settings(config),
                  () -> Access.of(config),
                  keeper,
                  new Added(null, List.of(), all -> {})),
              new Added(null, List.of(), all -> {}),
              new Watch(slots, seats, keeper, new Troubles(slots, Ticker.SYSTEM), i -> {}),
              null,
              null);
      Headers headers = Headers.of("host", "localhost:8000");
      headers = field == null ? headers : headers.with("authorization", field);
      return own.handle(
          new Request("GET", "/decisions", null, headers, new byte[0], peer, HERE), "id");
    }
  }

  /// B43: schemes are compared without case (RFC 9110 section 11.1).
  @ParameterizedTest
  @ValueSource(strings = {"Bearer secret", "bearer secret", "BEARER  secret"})
  void theTokenOpensDecisionsHoweverTheSchemeIsWritten(String field) throws Exception {
    assertThat(decisions("secret", "192.0.2.1", field).status()).isEqualTo(200);
    assertThat(decisions("secret\n", "192.0.2.1", field).status()).isEqualTo(200);
  }

  @ParameterizedTest
  @ValueSource(strings = {"Bearer other", "Basic secret", "secret", "Bearer", "Bearer "})
  void whoHasNotTheTokenIsToldHowToGiveIt(String field) throws Exception {
    Response r = decisions("secret", "192.0.2.1", field);
    assertThat(r.status()).isEqualTo(401);
    assertThat(r.headers().get("www-authenticate")).isEqualTo("Bearer");
  }

  @Test
  void withoutATokenOnlyThisMachineReadsThem() throws Exception {
    assertThat(decisions("", "127.0.0.1", null).status()).isEqualTo(200);
    assertThat(decisions("", "192.0.2.1", "Bearer x").status()).isEqualTo(403);
  }
}
