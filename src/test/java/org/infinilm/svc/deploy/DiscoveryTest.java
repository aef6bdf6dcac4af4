package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.deploy.Discovery.Entry;
import org.junit.jupiter.api.Test;

class DiscoveryTest {
  private static final String PAGED = "paged-cache-9g_8b_thinking";
  private static final String STATIC = "static-cache-9g_8b_thinking";

  @Test
  void theSeedsFourEntriesPass() {
    List<Entry> all = pair(PAGED, 8100, "paged", pair(STATIC, 8200, "static", List.of()));

    List<Check> checks = Discovery.check(all, Discovery.expected(all, List.of()));

    assertThat(checks).hasSize(5).allMatch(Check::ok);
  }

  @Test
  void aMissingStaticInstanceIsNamed() {
    List<Entry> paged = pair(PAGED, 8100, "paged", List.of());

    List<Check> failed = failed(paged, Discovery.expected(paged, List.of()));

    assertThat(failed)
        .extracting(Check::seen)
        .containsExactly(
            STATIC + ": not registered (the registry lists " + PAGED + ", " + PAGED + "-server)",
            STATIC
                + "-server: not registered (the registry lists "
                + PAGED
                + ", "
                + PAGED
                + "-server)",
            "1 paged, 0 static");
  }

  @Test
  void anEmptyRegistryMissesTheSeedsFour() {
    assertThat(failed(List.of(), Discovery.expected(List.of(), List.of()))).hasSize(5);
  }

  @Test
  void otherNamesAreTakenAsTheyAre() {
    List<Entry> all = pair("p", 1, "paged", pair("s", 5, "static", List.of()));

    assertThat(Discovery.expected(all, List.of())).containsExactly("p", "s");
    assertThat(failed(all, Discovery.expected(all, List.of()))).isEmpty();
    assertThat(Discovery.expected(all, List.of("other"))).containsExactly("other");
  }

  @Test
  void whoSleepsIsWellAndSoIsItsBabysitter() {
    List<Entry> all =
        new ArrayList<>(
            List.of(
                new Entry("p", 9, false, false, "unhealthy", null, null),
                new Entry("p-server", 8, true, false, "unhealthy", "paged", "p", "asleep")));
    all.addAll(pair("s", 5, "static", List.of()));
    assertThat(failed(all, List.of("p", "s"))).isEmpty();
    assertThat(Discovery.check(all, List.of("p")))
        .extracting(Check::seen)
        .anyMatch(seen -> seen.contains("asleep until a request comes"))
        .contains("1 paged, 1 static");
  }

  @Test
  void whoIsOutHasItsBabysittersWordForIt() {
    List<Entry> all =
        List.of(
            new Entry("p", 9, false, true, "healthy", null, null),
            new Entry("p-server", 8, true, false, "healthy", "paged", "p", "draining"),
            new Entry("s", 6, false, true, "healthy", null, null),
            new Entry("s-server", 5, true, false, "healthy", "static", "s"));
    assertThat(failed(all, List.of("p", "s")))
        .extracting(Check::seen)
        .satisfiesExactly(
            s -> assertThat(s).startsWith("registered, draining, port 8"),
            s -> assertThat(s).startsWith("registered, without a heartbeat of late, port 5"),
            s -> assertThat(s).isEqualTo("0 paged, 0 static"));
  }

  @Test
  void entriesThatDoNotLiveOrDoNotFitFail() {
    List<Entry> odd =
        List.of(
            new Entry("p", 9, false, true, "healthy", null, null),
            new Entry("p-server", 1, true, true, "healthy", "paged", "p"),
            new Entry("s", 6, false, false, "unhealthy", null, null),
            new Entry("s-server", 5, true, true, "unhealthy", "static", "s"));

    assertThat(failed(odd, List.of("p", "s")))
        .extracting(Check::name)
        .containsExactly("discovery of p-server", "discovery of s", "discovery of s-server");
  }

  private static List<Check> failed(List<Entry> entries, List<String> expected) {
    return Discovery.check(entries, expected).stream().filter(c -> !c.ok()).toList();
  }

  private static List<Entry> pair(String name, int port, String cache, List<Entry> more) {
    List<Entry> out = new ArrayList<>(more);
    out.add(new Entry(name, port + 1, false, true, "healthy", null, null));
    out.add(new Entry(name + "-server", port, true, true, "healthy", cache, name));
    return out;
  }
}
