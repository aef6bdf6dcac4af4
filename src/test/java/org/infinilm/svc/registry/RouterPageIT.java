package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// The page is the router's; a registry that knows one leads there.
class RouterPageIT {
  private static Client.Reply page(@Nullable URI router) throws Exception {
    RegistryServer.Options o = RegistryServer.Options.at(0).token("secret");
    RegistryServer.Options with =
        new RegistryServer.Options(
            o.host(),
            o.port(),
            o.healthInterval(),
            o.healthTimeout(),
            o.cleanupInterval(),
            o.lease(),
            o.dataDir(),
            null,
            o.tokens(),
            o.allowProbe(),
            router,
            o.tls());
    try (RegistryServer registry = start(with);
        Client http = Client.create()) {
      URI uri = URI.create("http://127.0.0.1:" + registry.port() + "/ui");
      return http.get(uri, Duration.ofSeconds(30));
    }
  }

  private static RegistryServer start(RegistryServer.Options o) throws IOException {
    return RegistryServer.start(o, Ticker.SYSTEM, new java.util.SplittableRandom(1));
  }

  @Test
  void itsOwnUiLeadsToTheRouters() throws Exception {
    Client.Reply r = page(URI.create("http://127.0.0.1:8000/"));
    assertThat(r.status()).isEqualTo(307);
    assertThat(r.headers().get("location")).isEqualTo("http://127.0.0.1:8000/ui");
  }

  @Test
  void withoutARouterItSaysHowToNameOne() throws Exception {
    Client.Reply r = page(null);
    assertThat(r.status()).isEqualTo(404);
    assertThat(new String(r.body(), java.nio.charset.StandardCharsets.UTF_8))
        .contains("--router-url");
  }
}
