package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.infinilm.svc.router.Outliers.Pace;
import org.infinilm.svc.router.Outliers.Sample;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OutliersTest {
  /// `name:models:good:bad[:mean first byte in ms[:kind[:bytes of a request]]]` by semicolons,
  /// models by `+`; then who stands out.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "a:m:100:0; b:m:0:100 | b",
        // as far as chance alone goes
        "a:m:50:50; b:m:0:5 | -",
        "a:m:50:50; b:m:2:18 | -",
        "a:m:50:50; b:m:0:30 | b",
        "a:m:80:20; b:m:0:5 | -",
        "a:m:80:20; b:m:0:7 | b",
        "a:m:100:0; b:m:69:31 | b",
        "a:m:100:0; b:m:71:29 | -",
        // what fails everywhere is the clients'
        "a:m:10:90; b:m:0:100 | -",
        "a:m:0:100; b:m:0:100 | -",
        // too little to say
        "a:m:100:0; b:m:1:18 | -",
        "a:m:100:0; b:m:1:19 | b",
        "a:m:100:0; b:m:0:4 | -",
        // nothing but failures is enough sooner: few requests are ordinary here
        "a:m:100:0; b:m:0:5 | b",
        "a:m:19:0; b:m:0:5 | -",
        "a:m:100:0; b:m:0:20 | b",
        "a:m:19:0; b:m:0:100 | -",
        "a:m:10:0; c:m:10:0; b:m:0:100 | b",
        // nobody to compare with
        "b:m:0:100 | -",
        "a:n:100:0; b:m:0:100 | -",
        "a:n+m:100:0; b:m:0:100 | b",
        "a::100:0; b::0:100 | b",
        "a:m:100:0; b::0:100 | -",
        // one peer with much traffic is one voice
        "a:m:10000:0; b:m:10:90; c:m:10:90 | b c",
        // first bytes ten times later than the peers', and late at all
        "a:m:100:0:100; b:m:100:0:1100 | b",
        "a:m:100:0:200; b:m:100:0:1900 | -",
        "a:m:100:0:10; b:m:100:0:900 | -",
        "a:m:100:0:100; b:m:19:0:9000 | -",
        "a:m:0:100:0; b:m:100:0:2000 | a",
        // others get other requests: the size rule's large ones, those of a reserve, long
        // conversations
        "a:m:100:0:50:paged; b:m:100:0:9000:static | -",
        "a:m:100:0:50:paged; b:m:10:40:50:static | -",
        "a:m:100:0:50:paged; b:m:0:19:0:static | -",
        "a:m:100:0:50:paged; b:m:0:20:0:static | b",
        "a:m:100:0:50:paged; c:m:40:0:50:static; b:m:10:40:50:static | b",
        "a:m:100:0:50:paged; c:m:100:0:900:static; b:m:100:0:9100:static | b",
        "a:m:100:0:50:paged:100; b:m:100:0:1300:paged:60000 | -",
        "a:m:100:0:50:paged:100; b:m:100:0:9300:paged:60000 | b",
        "a:m:100:0; d:m:100:0; b:m:30:70; c:m:0:100 | c b",
      })
  void standOutWhoFailFarMoreThanTheirPeers(String window, String expected) {
    List<Sample> samples = new ArrayList<>();
    for (String s : window.split(";")) {
      String[] f = s.strip().split(":");
      List<String> models = f[1].isEmpty() ? List.of() : List.of(f[1].split("\\+"));
      long good = Long.parseLong(f[2]);
      long nanos = f.length < 5 ? 0 : Long.parseLong(f[4]) * 1_000_000;
      long work = Outliers.work(f.length < 7 ? 0 : Long.parseLong(f[6]));
      Pace pace = nanos == 0 ? Pace.NONE : new Pace(good, good * nanos, good * work);
      String kind = f.length < 6 ? "paged/1" : f[5];
      samples.add(new Sample(f[0], kind, models, good, Long.parseLong(f[3]), pace, true));
    }
    assertThat(String.join(" ", Outliers.of(samples))).isEqualTo(expected == null ? "" : expected);
  }

  /// Half or more of what clients send fails everywhere; requests come to five instances by weights
  /// of 1 and 10. Each window is looked at after each few requests.
  @ParameterizedTest
  @ValueSource(doubles = {0.2, 0.5, 0.7, 0.9})
  void whatFailsEverywhereTakesNobodyOutByChance(double poison) {
    SplittableRandom random = new SplittableRandom(7);
    String byWeight = "abbbbbbbbbbccccccccccdeeeeeeeeee";
    int verdicts = 0;
    for (int window = 0; window < 2000; window++) {
      long[] good = new long[5];
      long[] bad = new long[5];
      boolean out = false;
      for (int k = 1; k <= 200; k++) {
        int at = byWeight.charAt(random.nextInt(byWeight.length())) - 'a';
        (random.nextDouble() < poison ? bad : good)[at]++;
        if (k % 5 == 0) {
          List<Sample> samples = new ArrayList<>();
          for (int i = 0; i < good.length; i++) {
            samples.add(new Sample("i" + i, "", List.of("m"), good[i], bad[i], Pace.NONE, false));
          }
          out |= !Outliers.of(samples).isEmpty();
        }
      }
      verdicts += out ? 1 : 0;
    }
    assertThat(verdicts).as("windows of 2,000 in which somebody was an outlier").isLessThan(4);
  }

  @Test
  void lateOnceIsNotLate() {
    Pace soon = new Pace(100, 100 * 100_000_000L, 100);
    Pace late = new Pace(100, 100 * 5_000_000_000L, 100);
    Sample peer = new Sample("a", "", List.of("m"), 100, 0, soon, false);
    Sample once = new Sample("b", "", List.of("m"), 100, 0, late, false);
    Sample again = new Sample("b", "", List.of("m"), 100, 0, late, true);
    assertThat(Outliers.of(List.of(peer, once))).isEmpty();
    assertThat(Outliers.of(List.of(peer, again))).containsExactly("b");
  }

  /// At three requests a second ten seconds say nothing of one instance among several.
  @Test
  void aWindowStaysOpenUntilWhoIsInDoubtHasSaidEnough() {
    Sample fine = new Sample("a", "", List.of("m"), 3, 0, Pace.NONE, false);
    Sample few = new Sample("b", "", List.of("m"), 2, 7, Pace.NONE, false);
    Sample enough = new Sample("b", "", List.of("m"), 8, 12, Pace.NONE, false);
    assertThat(Outliers.decided(List.of(fine))).isTrue();
    assertThat(Outliers.decided(List.of(fine, few))).isFalse();
    assertThat(Outliers.decided(List.of(fine, enough))).isTrue();
  }
}
