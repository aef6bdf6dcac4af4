package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.router.FleetKeeper.Report.Table;
import org.junit.jupiter.api.Test;

class TablesTest {
  private final Tables tables = new Tables(List.of(Known.REGISTRY, "dns:a:1", "folder:/f"));

  static Known listed(String source, String name, String host) {
    return new Known(
            name,
            host,
            1,
            "http://" + host + ":1",
            List.of("m"),
            null,
            Map.of("type", "openai-api"),
            1,
            true,
            true,
            false,
            null,
            null)
        .from(source);
  }

  private List<String> take(String source, Known... all) {
    return tables.take(new Table(source, List.of(all), List.of()));
  }

  private List<String> hosts() {
    return tables.merged().stream().map(k -> k.name() + " " + k.host()).sorted().toList();
  }

  @Test
  void whoIsGivenFirstCountsWhateverTheOrderOfTheirWords() {
    take("folder:/f", listed("folder:/f", "x", "h3"), listed("folder:/f", "z", "h4"));
    take("dns:a:1", listed("dns:a:1", "x", "h2"));
    assertThat(hosts()).containsExactly("x h2", "z h4");
    take(Known.REGISTRY, listed(Known.REGISTRY, "x", "h1"));
    assertThat(hosts()).containsExactly("x h1", "z h4");
    take(Known.REGISTRY);
    assertThat(hosts()).containsExactly("x h2", "z h4");
  }

  @Test
  void onlyTheRegistrysAbsentOnesWait() {
    take("dns:a:1", listed("dns:a:1", "x", "h"), listed("dns:a:1", "y", "h"));
    assertThat(take("dns:a:1", listed("dns:a:1", "y", "h"))).containsExactly("x");
    take(Known.REGISTRY, listed(Known.REGISTRY, "r", "h"));
    assertThat(take(Known.REGISTRY)).isEmpty();
    assertThat(tables.take(new Table(List.of(), List.of("r")))).containsExactly("r");
  }

  @Test
  void whoHasListedNothingIsAwaitedAndAnEmptyListIsAWord() {
    assertThat(tables.awaited()).containsExactly(Known.REGISTRY, "dns:a:1", "folder:/f");
    take("dns:a:1");
    assertThat(tables.awaited()).containsExactly(Known.REGISTRY, "folder:/f");
    assertThat(Tables.unheard(tables.awaited()))
        .isEqualTo("the registry was not reached yet; folder has listed nothing yet");
  }

  @Test
  void kindsOfSources() {
    assertThat(Tables.kind("dns+srv:_http._tcp.a")).isEqualTo("dns");
    assertThat(Tables.kind("kubernetes/app=a")).isEqualTo("kubernetes");
    assertThat(Tables.kind("folder:/a")).isEqualTo("folder");
    assertThat(Tables.kind(Known.REGISTRY)).isEqualTo("registry");
  }
}
