package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class KeyWordsTest {
  private static ClientKey key(int n) {
    return new ClientKey(
        "key-" + n,
        "%016x".formatted(n + 1L) + "0".repeat(48),
        Set.of(),
        Allowance.Limits.NONE,
        null);
  }

  @Test
  void thoseOfMostRequestsAreToldAndNothingOfTheKeys() {
    List<ClientKey> keys = new ArrayList<>();
    for (int k = 0; k < KeyWords.MOST + 50; k++) {
      keys.add(key(k));
    }
    KeyRing ring = new KeyRing(keys, Ticker.SYSTEM);
    KeyHolder busy =
        ring.holders().stream().filter(h -> h.name().equals("key-249")).findFirst().orElseThrow();
    busy.ended(Outcome.OK, new Usage(70, 9, 30));
    busy.ended(Outcome.UPSTREAM_ERROR, null);
    busy.refused(KeyRing.Cause.REQUESTS);
    List<Object> told = KeyWords.of(ring);
    assertThat(told).hasSize(KeyWords.MOST);
    assertThat(told.getFirst())
        .asInstanceOf(InstanceOfAssertFactories.map(String.class, Object.class))
        .containsEntry("name", "key-249")
        .containsEntry("requests_total", 2L)
        .containsEntry("errors_total", 1L)
        .containsEntry("refusals_total", 1L)
        .containsEntry("in_flight_limit", null)
        .containsEntry("tokens_total", Map.of("prompt", 70L, "cached", 30L, "completion", 9L));
    assertThat(Json.text(told)).doesNotContain("00000000000");
  }
}
