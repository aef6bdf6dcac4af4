package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What routers leave for one another at a registry.
@Timeout(60)
class PeerBoardIT {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final Client http = Client.create();
  private RegistryServer registry;
  private RegistryClient client;

  /// A registry with an empty table, wherever that lives.
  RegistryServer.Options options() {
    return RegistryServer.Options.at(0);
  }

  @BeforeEach
  void begin() throws IOException {
    registry = RegistryServer.start(options(), Ticker.SYSTEM, new Random(1));
    client = new RegistryClient(http, URI.create("http://127.0.0.1:" + registry.port()), null);
  }

  @AfterEach
  void end() throws IOException {
    registry.close();
    http.close();
  }

  private Client.Reply send(String method, String target, @Nullable String json) throws Exception {
    Headers h = json == null ? Headers.NONE : Headers.of("content-type", "application/json");
    byte[] body = json == null ? new byte[0] : json.getBytes(StandardCharsets.UTF_8);
    URI at = URI.create("http://127.0.0.1:" + registry.port() + target);
    return http.send(method, at, h, body, TIMEOUT);
  }

  @Test
  void routersLeaveNotesForOneAnother() throws Exception {
    PeerBoard.Answer first =
        client.exchange("r-1", Map.of("seats", Map.of("at", Map.of("x", List.of(2, 1)))), "");
    assertThat(first.isNone()).isFalse();
    client.exchange("r-2", Map.of("seats", Map.of("n", 1)), "");
    // what is written over etcd is heard of a moment later
    await()
        .atMost(TIMEOUT)
        .untilAsserted(() -> {
          PeerBoard.Answer a = client.exchange("r-1", Map.of(), "");
          assertThat(a.live()).containsExactlyInAnyOrder("r-1", "r-2");
          assertThat(a.notes())
              .extracting(PeerBoard.Note::run, PeerBoard.Note::kind)
              .containsExactlyInAnyOrder(tuple("r-1", "seats"), tuple("r-2", "seats"));
        });
    PeerBoard.Answer known = client.exchange("r-1", Map.of(), "");
    assertThat(client.exchange("r-1", Map.of(), known.version()).notes()).isEmpty();
    client.exchange("r-2", Map.of("keys", Map.of("of", Map.of())), known.version());
    await()
        .atMost(TIMEOUT)
        .untilAsserted(() ->
            assertThat(client.exchange("r-1", Map.of(), known.version()).notes())
                .extracting(PeerBoard.Note::run, PeerBoard.Note::kind)
                .containsExactly(tuple("r-2", "keys")));
    client.leave("r-2");
    await()
        .atMost(TIMEOUT)
        .untilAsserted(
            () -> assertThat(client.exchange("r-1", Map.of(), "").live()).containsExactly("r-1"));
    assertThat(Json.tree(send("GET", "/services", null).body()).path("total").asInt())
        .as("no entries")
        .isZero();
  }

  /// Runs are named to everybody who may read.
  @Test
  void nobodySpeaksForAnother() throws Exception {
    PeerBoard.Run own = PeerBoard.Run.fresh();
    RegistryClient.Urls at =
        new RegistryClient.Urls(List.of(URI.create("http://127.0.0.1:" + registry.port())));
    RegistryClient owner = new RegistryClient(http, at, null, own);
    owner.exchange(own.name(), Map.of("seats", Map.of("n", 1)), "");
    for (RegistryClient other :
        List.of(client, new RegistryClient(http, at, null, PeerBoard.Run.fresh()))) {
      assertThatThrownBy(() -> other.exchange(own.name(), Map.of("seats", Map.of("n", 2)), ""))
          .hasMessageContaining("403")
          .hasMessageContaining(own.name() + " is another's (expected: its key in infini-run-key)");
      assertThatThrownBy(() -> other.leave(own.name())).hasMessageContaining("403");
    }
    await()
        .atMost(TIMEOUT)
        .untilAsserted(() ->
            assertThat(client.exchange("asks", Map.of(), "").notes())
                .filteredOn(n -> n.run().equals(own.name()))
                .extracting(PeerBoard.Note::value)
                .containsExactly(Map.of("n", 1)));
    owner.leave(own.name());
    await()
        .atMost(TIMEOUT)
        .untilAsserted(() ->
            assertThat(client.exchange("asks", Map.of(), "").live()).doesNotContain(own.name()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "POST | /routers/r | x | 400",
        "POST | /routers/r | [] | 422",
        "POST | /routers/r | {\"notes\":{\"seats\":7}} | 422",
        "POST | /routers/r | {\"notes\":[]} | 422",
        "POST | /routers/r | {\"notes\":7} | 422",
        "POST | /routers/r | {\"notes\":null} | 422",
        "POST | /routers/r | {\"notes\":{\"Seats\":{}}} | 400",
        "POST | /routers/a%20b | {} | 400",
        "GET | /routers/r | | 405",
      })
  void aNoteThatIsNoneIsRefused(String method, String target, String body, int status)
      throws Exception {
    Client.Reply r = send(method, target, body);
    assertThat(r.status()).isEqualTo(status);
    assertThat(Json.tree(r.body()).path("error").asText()).isNotEmpty();
  }
}
