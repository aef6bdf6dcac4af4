package org.infinilm.svc.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PodTableTest {
  private final PodTable table = new PodTable();

  private boolean put(Pod p) {
    return table.put(Pods.read(p).getFirst());
  }

  private boolean remove(Pod p) {
    return table.remove(Pods.read(p).getFirst());
  }

  private List<String> found() {
    return table.found().stream()
        .map(f ->
            f.options().get("name")
                + " "
                + f.url().replaceAll("http://|:8100", "")
                + (f.ready() ? "" : " out"))
        .toList();
  }

  @Test
  void whoIsNotReadyYetIsNoInstanceAndWhoIsNotAnyMoreGetsNothing() {
    put(Pods.unready("a", "10.0.0.1", 1));
    assertThat(found()).isEmpty();
    put(Pods.ready("a", "10.0.0.1", 2));
    assertThat(found()).containsExactly("a 10.0.0.1");
    put(Pods.unready("a", "10.0.0.1", 3));
    assertThat(found()).containsExactly("a 10.0.0.1 out");
    put(Pods.ready("a", "10.0.0.1", 4));
    put(Pods.leaving("a", "10.0.0.1", 5));
    assertThat(found()).containsExactly("a 10.0.0.1 out");
    remove(Pods.leaving("a", "10.0.0.1", 6));
    assertThat(found()).isEmpty();
  }

  @Test
  void whatComesTwiceOrLateSaysNothing() {
    put(Pods.ready("a", "10.0.0.1", 5));
    assertThat(put(Pods.ready("a", "10.0.0.1", 5))).isFalse();
    assertThat(put(Pods.unready("a", "10.0.0.1", 4))).isFalse();
    assertThat(found()).containsExactly("a 10.0.0.1");
    remove(Pods.leaving("a", "10.0.0.1", 7));
    assertThat(put(Pods.leaving("a", "10.0.0.1", 6))).as("a change before its end").isFalse();
    assertThat(remove(Pods.leaving("a", "10.0.0.1", 7))).isFalse();
    assertThat(found()).isEmpty();
  }

  @Test
  void theEndOfAPodDoesNotEndTheOneThatHasItsName() {
    put(Pods.ready("a", "10.0.0.1", 5));
    put(Pods.pod("a", "second", "10.0.0.2", 9, true, Map.of(), Map.of("openai", 8100)));
    assertThat(remove(Pods.leaving("a", "10.0.0.1", 8))).isFalse();
    assertThat(found()).containsExactly("a 10.0.0.2");
  }

  @Test
  void aListIsAllThereIsAndOlderEventsSayNothing() {
    put(Pods.ready("a", "10.0.0.1", 5));
    table.list(Pods.read(Pods.ready("b", "10.0.0.2", 6)), 10);
    assertThat(found()).containsExactly("b 10.0.0.2");
    assertThat(put(Pods.ready("a", "10.0.0.1", 7))).as("it was gone at 10").isFalse();
    assertThat(put(Pods.ready("c", "10.0.0.3", 11))).isTrue();
    table.list(Pods.read(Pods.unready("b", "10.0.0.2", 12)), 13);
    assertThat(found()).as("listed before, not ready now").containsExactly("b 10.0.0.2 out");
  }

  @Test
  void labelsThatCannotBeReadAnyMoreChangeNothing() {
    put(Pods.saying("a", "10.0.0.1", 1, Map.of("weight", "3")));
    put(Pods.ready("b", "10.0.0.2", 2));
    put(Pods.saying("a", "10.0.0.1", 3, Map.of("wieght", "4")));
    assertThat(found()).containsExactly("a 10.0.0.1", "b 10.0.0.2");
    assertThat(table.troubles()).hasSize(1).first().asString().contains("infinilm.org/wieght");
    Pod leaves =
        new PodBuilder(Pods.saying("a", "10.0.0.1", 4, Map.of("wieght", "4")))
            .editMetadata()
            .withDeletionTimestamp("2026-11-29T10:00:00Z")
            .endMetadata()
            .build();
    put(leaves);
    assertThat(found()).containsExactly("a 10.0.0.1 out", "b 10.0.0.2");
    put(Pods.saying("c", "10.0.0.3", 5, Map.of("port", "x")));
    assertThat(found()).as("c never was one").hasSize(2);
    assertThat(table.troubles()).hasSize(2);
  }

  @Test
  void aPodThatHasEndedIsNoInstance() {
    put(Pods.ready("a", "10.0.0.1", 1));
    put(
        new PodBuilder(Pods.ready("a", "10.0.0.1", 2))
            .editStatus()
            .withPhase("Failed")
            .endStatus()
            .build());
    assertThat(found()).isEmpty();
  }

  /// Whatever the order and however often events come, what is there in the end is what the last
  /// word on each pod says, and a list in between does not change that.
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void anyOrderComesToTheSame(long seed) {
    Random random = new Random(seed);
    record Word(Pod pod, boolean end) {}
    List<Word> words = new ArrayList<>();
    Map<String, String> last = new TreeMap<>();
    long version = 100;
    for (int k = 0; k < 200; k++) {
      String name = "p" + random.nextInt(6);
      boolean there = last.containsKey(name);
      String uid = there ? last.get(name).split(" ")[0] : "u" + k;
      version++;
      String address = "10.0.0." + (k % 250 + 1);
      Pod p = Pods.pod(name, uid, address, version, true, Map.of(), Map.of("openai", 8100));
      boolean end = there && random.nextInt(3) == 0;
      words.add(new Word(p, end));
      if (end) {
        last.remove(name);
      } else {
        last.put(name, uid + " " + address);
      }
    }
    List<Word> shuffled = new ArrayList<>(words);
    shuffled.addAll(words.subList(50, 150));
    Collections.shuffle(shuffled, random);
    for (Word w : shuffled) {
      if (w.end()) {
        remove(w.pod());
      } else {
        put(w.pod());
      }
    }
    List<String> expected = new ArrayList<>();
    last.forEach((name, v) -> expected.add(name + " " + v.split(" ")[1]));
    assertThat(found()).isEqualTo(expected);
  }
}
