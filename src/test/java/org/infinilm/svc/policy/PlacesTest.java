package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

class PlacesTest {
  private final Places places = new Places();

  private static Instance at(int slot) {
    return Samples.paged("i" + slot, slot);
  }

  private static Instance says(String name, int seats) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name + ":1",
        List.of("m"),
        CacheType.PAGED,
        Instance.UNKNOWN,
        1,
        Instance.State.ROUTABLE,
        200,
        Map.of(),
        0,
        seats,
        Map.of());
  }

  /// Of sixteen each sees one in sixteen of what tells.
  private void eachShowsOne(int instances) {
    for (int k = 0; k < instances; k++) {
      places.stream(at(k), 0, 0, false);
      places.stream(at(k), 1, 0, true);
    }
  }

  @Test
  void whatEachShowsALittleOfAllHaveTogether() {
    eachShowsOne(16);
    assertThat(places.most(at(3))).isEqualTo(1);
    assertThat(places.most(at(99))).as("one that nothing was seen of").isEqualTo(1);
    assertThat(places.seen(at(3)).isKnown()).as("by itself").isFalse();
  }

  @Test
  void whoShowsMoreIsNotTakenForOneOfThem() {
    eachShowsOne(16);
    places.stream(at(3), 1, 1, false);
    assertThat(places.most(at(3))).isEqualTo(Batch.USUAL);
    assertThat(places.most(at(4))).as("one that may be late").isEqualTo(1);
    places.stream(at(3), 1, 1, false);
    assertThat(places.most(at(4))).as("where they are not alike").isEqualTo(Batch.USUAL);
  }

  /// One that computes many at once says nothing of those that nobody has seen.
  @Test
  void ofWhichNothingIsKnownItIsTheUsualNumberWhateverOthersHave() {
    for (int k = 0; k < 40; k++) {
      places.stream(at(0), k, k, false);
    }
    assertThat(places.most(at(99))).isEqualTo(Batch.USUAL);
    assertThat(places.most(at(0))).isEqualTo(40);
  }

  @Test
  void whatOneHasIsNotWhatAnotherOneHasThatSaysSo() {
    eachShowsOne(16);
    assertThat(places.most(says("says", 6))).isEqualTo(6);
  }

  @Test
  void whatIsKnownIsReadBack() {
    for (int k = 0; k < 20; k++) {
      places.stream(at(1), 2, 1, k >= 2);
    }
    assertThat(places.most(at(1))).isEqualTo(2);
    Recalled file = Recalled.of(Samples.asFile(places.remembered()));
    Places again = new Places();
    again.recall(Places.read(file, file.names().stream().toList()));
    assertThat(again.most(at(1))).isEqualTo(2);
    assertThat(again.seen(at(1)).isKnown()).isTrue();
    again.stream(at(1), 2, 2, false);
    again.stream(at(1), 2, 2, false);
    assertThat(again.most(at(1))).as("more than before").isEqualTo(Batch.USUAL);
  }

  private Places readBack() {
    Recalled file = Recalled.of(Samples.asFile(places.remembered()));
    Places again = new Places();
    again.recall(Places.read(file, file.names().stream().toList()));
    return again;
  }

  @Test
  void whatAllHaveIsReadBackToo() {
    eachShowsOne(16);
    assertThat(readBack().most(at(3))).isEqualTo(1);
  }

  /// What times of whole answers say is looked for anew, and takes back what a file says.
  @Test
  void whereAnswersComeWholeAFileDoesNotCountForEver() {
    for (int k = 0; k < 20; k++) {
      places.stream(at(1), 1, 0, k > 0);
    }
    Places again = readBack();
    assertThat(again.most(at(1))).isEqualTo(1);
    double[] off = new double[Ahead.MOST + 1];
    Arrays.fill(off, 0.1);
    for (int k = 0; k < 40; k++) {
      again.seen(at(1)).beside(off);
    }
    assertThat(again.seen(at(1)).isKnown()).isFalse();
  }

  @Test
  void aFileThatSaysNoNumberIsRefusedByName() {
    Recalled file = Recalled.of(Map.of("i1", 0.5));
    assertThatThrownBy(() -> Places.read(file, file.names().stream().toList()))
        .hasMessageContaining("i1")
        .hasMessageContaining("0.5");
  }
}
