package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.registry.Service;
import org.junit.jupiter.api.Test;

class RegistrySyncTest {
  private static final Map<String, Object> OPENAI = Map.of("type", "openai-api");

  private static Service service(String name, String host, String url, Map<String, Object> meta) {
    return new Service(name, host, 8100, "h", url, "running", meta, 1, "healthy", true, 1.0, "now");
  }

  private static List<String> urls(Service... services) {
    return RegistrySync.known(List.of(services)).stream().map(Known::url).toList();
  }

  @Test
  void onlyServersWithOpenAiRoutesAreTaken() {
    assertThat(
            urls(
                service("a", "h", "http://h:8101", Map.of("type", "command")),
                service("a-server", "h", "http://h:8100", OPENAI),
                service("b", "h", "http://h:8100", Map.of())))
        .containsExactly("http://h:8100");
  }

  @Test
  void anEntryThatCannotBeUsedCostsTheOthersNothing() {
    assertThat(
            urls(
                service("a\nb", "h", "http://h:1", OPENAI),
                service(" ", "h", "http://h:1", OPENAI),
                service("none", "", "::", OPENAI),
                service("good", "h", "http://h:2", OPENAI)))
        .containsExactly("http://h:2");
  }

  @Test
  void theAddressServesWhereTheUrlDoesNot() {
    assertThat(
            urls(
                service("a", "my_host", "", OPENAI),
                service("b", "::1", "not a url", OPENAI),
                service("c", "h", "https://h:9", OPENAI),
                service("d", "h", "http://other_host:7/base/", OPENAI)))
        .containsExactly(
            "http://my_host:8100", "http://[::1]:8100", "https://h:9", "http://other_host:7/base");
  }

  /// Over the network nobody names a socket of this machine.
  @Test
  void aUnixSocketIsNotTakenFromARegistry() {
    assertThat(
            urls(
                service("a", "h", "unix:/run/docker.sock", OPENAI),
                service("b", "h", "unix:///run/docker.sock", OPENAI)))
        .containsExactly("http://h:8100", "http://h:8100");
  }

  @Test
  void metadataOfAWrongTypeCountsAsAbsent() {
    Map<String, Object> odd = new HashMap<>(OPENAI);
    odd.put("models", "m");
    odd.put("models_list", 3);
    odd.put("cache_type", List.of("paged"));
    odd.put("max_cache_len", "many");
    odd.put("weight", null);
    Known k = RegistrySync.known(List.of(service("a", "h", "http://h:1", odd))).getFirst();
    assertThat(k.models()).isNull();
    assertThat(k.modelsList()).isNull();
    assertThat(k.cacheType()).isNull();
    assertThat(k.weight()).isEqualTo(1);
    assertThat(Metadata.capacityTokens(k.metadata(), null)).isEqualTo(-1);
  }

  /// A heartbeat is no news, and what one entry says anew makes nothing of the others.
  @Test
  void ofATableWhatChangedIsReadAlone() {
    RegistrySync.Reader reader = new RegistrySync.Reader();
    List<Known> first =
        reader.known(
            List.of(
                service("a", "h", "http://h:1", OPENAI), service("b", "h", "http://h:2", OPENAI)));
    Service beaten =
        new Service(
            "a",
            "h",
            8100,
            "h",
            "http://h:1",
            "running",
            new HashMap<>(OPENAI),
            1,
            "healthy",
            true,
            99.0,
            "now");
    Service drained =
        new Service(
            "b", "h", 8100, "h", "http://h:2", "draining", OPENAI, 1, "healthy", true, 1.0, "now");
    List<Known> second = reader.known(List.of(beaten, drained));
    assertThat(second.getFirst()).isSameAs(first.getFirst());
    assertThat(second.getLast().running()).isFalse();
    List<Known> third = reader.known(List.of(drained, service("c", "h", "http://h:3", OPENAI)));
    assertThat(third).extracting(Known::name).containsExactly("b", "c");
    assertThat(third.getFirst()).isSameAs(second.getLast());
    // one that was away and is back is read again
    assertThat(reader.known(List.of(beaten)).getFirst()).isEqualTo(first.getFirst());
  }

  @Test
  void everythingThatAnEntrySaysIsNews() {
    Service s = service("a", "h", "http://h:1", OPENAI);
    List<Service> others =
        List.of(
            service("a", "i", "http://h:1", OPENAI),
            service("a", "h", "http://h:2", OPENAI),
            service("a", "h", "http://h:1", Map.of("type", "openai-api", "models", List.of("m"))),
            new Service(
                "a", "h", 8101, "h", "http://h:1", "running", OPENAI, 1, "healthy", true, 1, "now"),
            new Service(
                "a", "h", 8100, "h", "http://h:1", "asleep", OPENAI, 1, "healthy", true, 1, "now"),
            new Service(
                "a", "h", 8100, "h", "http://h:1", "running", OPENAI, 2, "healthy", true, 1, "now"),
            new Service(
                "a",
                "h",
                8100,
                "h",
                "http://h:1",
                "running",
                OPENAI,
                1,
                "healthy",
                false,
                1,
                "now"));
    for (Service o : others) {
      RegistrySync.Reader reader = new RegistrySync.Reader();
      reader.known(List.of(s));
      assertThat(reader.known(List.of(o))).isEqualTo(RegistrySync.known(List.of(o)));
      assertThat(o.saysTheSameAs(s)).as(o.toString()).isFalse();
    }
  }
}
