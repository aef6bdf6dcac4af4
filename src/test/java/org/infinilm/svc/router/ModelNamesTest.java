package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.junit.jupiter.api.Test;

/// What is said of models that nobody offers.
class ModelNamesTest {
  private static final int MOST_CHARACTERS = 4096;

  private final ModelNames names = new ModelNames(Map.of(), false, 404);

  private static RoutingTable table(List<String> models, RoutingTable.Awaited awaited) {
    Instance i =
        new Instance("a", "h", 1, "http://h:1", models, null, -1, 1, State.ROUTABLE, 0, Map.of());
    return new RoutingTable(new Fleet(1, List.of(i)), List.of(), 0, awaited);
  }

  private static List<String> many(int n) {
    return IntStream.range(0, n)
        .mapToObj(k -> String.format("adapter-%05d-of-a-model", k))
        .toList();
  }

  private ApiError said(String asked, List<String> offered) {
    return names.unknown(asked, asked, table(offered, RoutingTable.Awaited.NOTHING), 0);
  }

  @Test
  void fewNamesAreAllListedAndTheNearestIsNamed() {
    ApiError e = said("m-on", List.of("m-one", "m-two"));
    assertThat(e.status()).isEqualTo(404);
    assertThat(e.message()).contains("did you mean \"m-one\"?").endsWith("offer: m-one, m-two");
  }

  /// A38, B35: all of 5,000 names were compared on the event loop, and listed in the answer.
  @Test
  void ofManyNamesSomeAreListedAndTheNearestIsStillNamed() {
    ApiError e = said("adapter-04321-of-a-mode", many(5000));
    assertThat(e.message())
        .contains("did you mean \"adapter-04321-of-a-model\"?")
        .contains("adapter-00019-of-a-model and 4980 more")
        .doesNotContain("adapter-00020")
        .hasSizeLessThan(MOST_CHARACTERS);
  }

  @Test
  void longNamesMakeNoLongAnswer() {
    List<String> offered = new ArrayList<>();
    for (int k = 0; k < 30; k++) {
      offered.add("n" + (char) ('a' + k) + "x".repeat(100_000));
    }
    assertThat(said("y".repeat(1_000_000), offered).message()).hasSizeLessThan(MOST_CHARACTERS);
    assertThat(ModelNames.list(offered)).hasSizeLessThan(MOST_CHARACTERS);
  }

  /// A43: clients were told not to retry before the first table of the registry had come.
  @Test
  void beforeTheRegistryHasSpokenNobodyCanTell() {
    RoutingTable t = table(List.of("m"), new RoutingTable.Awaited(List.of("registry"), Map.of()));
    ApiError e = names.unknown("x", "x", t, 0);
    assertThat(e.status()).isEqualTo(503);
    assertThat(e.again()).isTrue();
    assertThat(e.message()).contains("registry was not reached yet");
  }

  /// A43: and while the only instance of a model restarts.
  @Test
  void aModelWhoseLastInstanceHasJustLeftMayComeBack() {
    RoutingTable t = table(List.of("m"), new RoutingTable.Awaited(List.of(), Map.of("x", 100L)));
    assertThat(names.unknown("alias", "x", t, 99).again()).isTrue();
    assertThat(names.unknown("x", "x", t, 100).status()).as("not for ever").isEqualTo(404);
    assertThat(names.unknown("y", "y", t, 99).status()).as("another model").isEqualTo(404);
  }
}
