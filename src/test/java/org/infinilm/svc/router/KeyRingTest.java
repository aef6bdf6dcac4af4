package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.router.KeyRing.Cause;
import org.infinilm.svc.router.KeyRing.Stranger;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeyRingTest {
  private static final Instant END = Instant.parse("2027-01-01T00:00:00Z");

  private Instant now = END.minusSeconds(1);
  private long nanos;
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return nanos;
        }

        @Override
        public Instant now() {
          return now;
        }
      };
  private final KeyRing ring =
      new KeyRing(
          List.of(
              key("a", "ik-a", Allowance.Limits.NONE, null),
              key("b", "ik-b", new Allowance.Limits(2, 60, 0), null),
              key("c", "ik-c", Allowance.Limits.NONE, END)),
          ticker);

  private static ClientKey key(
      String name, String key, Allowance.Limits limits, @Nullable Instant end) {
    return new ClientKey(
        name, ClientKey.hashLine(key).substring("sha256:".length()), Set.of(), limits, end);
  }

  private KeyRing.Who who(String... fields) {
    Map<String, String> all = new java.util.HashMap<>();
    for (String f : fields) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    return ring.who(all::get);
  }

  private KeyHolder holder(String key) {
    return (KeyHolder) who("x-api-key=" + key);
  }

  @ParameterizedTest
  @CsvSource({
    "authorization=Bearer ik-a, -, a",
    "authorization=bearer  ik-b , -, b",
    "x-api-key=ik-a, -, a",
    "authorization=Bearer other, x-api-key=ik-a, a",
    "authorization=Bearer ik-a, x-api-key=ik-b, a",
    "authorization=Basic ik-a, x-api-key=ik-b, b",
  })
  void aKeyIsTakenFromEitherField(String one, String other, String name) {
    assertThat(((KeyHolder) who(one, other.equals("-") ? "x=y" : other)).name()).isEqualTo(name);
  }

  @ParameterizedTest
  @CsvSource({
    "x=y, MISSING",
    "authorization=, MISSING",
    "authorization=Basic ik-a, UNKNOWN",
    "authorization=ik-a, UNKNOWN",
    "authorization=Bearer, UNKNOWN",
    "authorization=Bearer ik-A, UNKNOWN",
    "x-api-key=ik-a2, UNKNOWN",
    "x-api-key=ik-, UNKNOWN",
    "x-api-key=\u00e4, UNKNOWN",
  })
  void whoHasNoKeyIsToldWithoutIt(String field, Cause cause) {
    Stranger s = (Stranger) who(field);
    assertThat(s.cause()).isEqualTo(cause);
    assertThat(s.error().status()).isEqualTo(401);
    assertThat(s.error().message()).doesNotContain("ik-a");
    assertThat(ring.strangers(cause)).isEqualTo(1);
  }

  @Test
  void aKeyLongerThanAnyIsNotLookedAt() {
    assertThat(who("x-api-key=" + "k".repeat(100_000))).isInstanceOf(Stranger.class);
  }

  @Test
  void aKeyOpensUntilItExpires() {
    assertThat(holder("ik-c").name()).isEqualTo("c");
    now = END;
    Stranger s = (Stranger) who("x-api-key=ik-c");
    assertThat(s.error().code()).isEqualTo("expired_api_key");
    assertThat(s.key()).isEqualTo("c");
  }

  @Test
  void otherKeysKeepWhatAKeyOfTheSameNameHasUsed() {
    KeyHolder b = holder("ik-b");
    b.enter(0);
    b.enter(0);
    assertThat(b.enter(0)).isInstanceOf(Allowance.Denied.class);
    ring.replace(List.of(key("b", "ik-new", new Allowance.Limits(3, 60, 0), null)));
    assertThat(who("x-api-key=ik-b")).isInstanceOf(Stranger.class);
    assertThat(who("x-api-key=ik-a")).isInstanceOf(Stranger.class);
    KeyHolder same = holder("ik-new");
    assertThat(same.enter(0)).isInstanceOf(Allowance.Granted.class);
    assertThat(same.enter(0)).isInstanceOf(Allowance.Denied.class);
    ring.replace(List.of());
    assertThat(ring.isEmpty()).isTrue();
  }

  private static final Allowance.Limits TWO = new Allowance.Limits(2, 0, 0);

  private static boolean lets(KeyHolder h) {
    return h.enter(0) instanceof Allowance.Granted;
  }

  @Test
  void aLimitThatIsPutOnCountsWhatIsInFlightAlready() {
    KeyHolder a = holder("ik-a");
    for (int k = 0; k < 4; k++) {
      assertThat(lets(a)).isTrue();
    }
    ring.replace(List.of(key("a", "ik-a", TWO, null)));
    assertThat(lets(a)).as("four beside a limit of two").isFalse();
    for (int k = 0; k < 3; k++) {
      a.leave(0, 0);
    }
    assertThat(a.inFlight()).isEqualTo(1);
    assertThat(lets(a)).isTrue();
    assertThat(lets(a)).isFalse();
    ring.replace(List.of(key("a", "ik-a", Allowance.Limits.NONE, null)));
    assertThat(lets(a)).isTrue();
    assertThat(a.inFlight()).isEqualTo(3);
  }

  @Test
  void aKeyThatComesBackHasInFlightWhatItHad() {
    KeyHolder b = holder("ik-b");
    assertThat(lets(b)).isTrue();
    assertThat(lets(b)).isTrue();
    ring.replace(List.of(key("a", "ik-a", TWO, null)));
    ring.replace(List.of());
    assertThat(who("x-api-key=ik-b")).isInstanceOf(Stranger.class);
    ring.replace(List.of(key("b", "ik-b", TWO, null)));
    KeyHolder back = holder("ik-b");
    assertThat(back.inFlight()).isEqualTo(2);
    assertThat(lets(back)).isFalse();
    b.leave(0, 0);
    assertThat(back.inFlight()).isEqualTo(1);
    assertThat(lets(back)).isTrue();
  }

  @Test
  void aKeyThatComesBackHasUsedWhatItHad() {
    KeyHolder b = holder("ik-b");
    for (int k = 0; k < 60; k++) {
      assertThat(lets(b)).isTrue();
      b.leave(0, 0);
    }
    ring.replace(List.of());
    nanos += Duration.ofSeconds(1).toNanos();
    ring.replace(List.of(key("b", "ik-b", new Allowance.Limits(2, 60, 0), null)));
    assertThat(lets(holder("ik-b"))).isTrue();
    assertThat(lets(holder("ik-b"))).isFalse();
  }

  @Test
  void aLimitThatIsLoweredLocksNobodyOutForLongerThanAnother() {
    KeyHolder b = holder("ik-b");
    for (int k = 0; k < 60; k++) {
      assertThat(lets(b)).isTrue();
      b.leave(0, 0);
    }
    ring.replace(List.of(key("b", "ik-b", new Allowance.Limits(0, 2, 0), null)));
    assertThat(lets(holder("ik-b"))).isFalse();
    nanos += Duration.ofSeconds(30).toNanos();
    assertThat(lets(holder("ik-b"))).as("one of two a minute").isTrue();
    assertThat(lets(holder("ik-b"))).isFalse();
  }

  /// One of three routers, whose part of 60 a minute is 20.
  @ParameterizedTest
  @ValueSource(strings = {"b", "e"})
  void aLimitThatIsLoweredIsLoweredForThisRoutersPart(String name) {
    KeyHolder b = holder("ik-b");
    b.share(new Allowance.Limits(1, 20, 0));
    for (int k = 0; k < 20; k++) {
      assertThat(lets(b)).isTrue();
      b.leave(0, 0);
    }
    assertThat(lets(b)).isFalse();
    ring.replace(List.of(key(name, "ik-b", new Allowance.Limits(2, 30, 0), null)));
    b = holder("ik-b");
    assertThat(lets(b)).as("its minute's worth is used").isFalse();
    nanos += Duration.ofSeconds(6).toNanos();
    assertThat(lets(b)).as("one of ten a minute").isTrue();
    assertThat(lets(b)).isFalse();
    b.leave(0, 0);
    b.share(new Allowance.Limits(1, 10, 0));
    assertThat(lets(b)).as("the others say the same").isFalse();
  }

  @Test
  void aPartIsTheSameShareOfAnotherWhole() {
    Allowance.Limits part = new Allowance.Limits(1, 20, 0);
    Allowance.Limits whole = new Allowance.Limits(2, 60, 0);
    assertThat(part.scaled(whole, new Allowance.Limits(4, 2, 9)))
        .as("a limit that is new is not divided yet")
        .isEqualTo(new Allowance.Limits(2, 1, 9));
    assertThat(part.scaled(whole, Allowance.Limits.NONE)).isEqualTo(Allowance.Limits.NONE);
  }

  @Test
  void aKeyUnderAnotherNameHasUsedWhatItHad() {
    KeyHolder b = holder("ik-b");
    assertThat(lets(b)).isTrue();
    assertThat(lets(b)).isTrue();
    b.ended(Outcome.OK, null);
    ring.replace(List.of(key("e", "ik-b", TWO, null), key("d", "ik-d", TWO, null)));
    KeyHolder c = holder("ik-b");
    assertThat(c.name()).isEqualTo("e");
    assertThat(c.inFlight()).isEqualTo(2);
    assertThat(c.requests(Outcome.OK)).as("counted by name").isZero();
    assertThat(lets(c)).isFalse();
    b.leave(0, 0);
    assertThat(lets(c)).isTrue();
    assertThat(holder("ik-d").inFlight()).isZero();
  }

  /// Two that change names, and one whose name goes on to a new key while the old one stays.
  @Test
  void whatRunsStaysWithTheKeyThatOpenedItWhateverTheNames() {
    assertThat(lets(holder("ik-a"))).isTrue();
    ring.replace(List.of(key("a", "ik-b", TWO, null), key("b", "ik-a", TWO, null)));
    assertThat(holder("ik-b").inFlight()).as("a").isZero();
    assertThat(holder("ik-a").inFlight()).as("b").isEqualTo(1);
    assertThat(lets(holder("ik-a"))).isTrue();
    ring.replace(List.of(key("b", "ik-new", TWO, null), key("old", "ik-a", TWO, null)));
    assertThat(lets(holder("ik-a"))).as("its two run still").isFalse();
    assertThat(holder("ik-new").inFlight()).isZero();
  }

  /// Its name has gone to a key that was there already, and both are there again.
  @Test
  void aKeyThatIsAwayWhileItsNameIsAnothersHasUsedWhatItHad() {
    assertThat(lets(holder("ik-a"))).isTrue();
    assertThat(lets(holder("ik-a"))).isTrue();
    ring.replace(List.of(key("a", "ik-b", TWO, null)));
    ring.replace(List.of(key("a", "ik-b", TWO, null), key("old", "ik-a", TWO, null)));
    assertThat(lets(holder("ik-a"))).isFalse();
    assertThat(holder("ik-b").inFlight()).isZero();
  }

  @Test
  void limitsHoldOverThreads() throws Exception {
    KeyHolder b = holder("ik-b");
    List<Callable<Integer>> work = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      work.add(() -> {
        int granted = 0;
        for (int k = 0; k < 500; k++) {
          if (b.enter(0) instanceof Allowance.Granted g) {
            granted++;
            assertThat(b.inFlight()).isLessThanOrEqualTo(8);
            b.leave(g.reserved(), 0);
          }
        }
        return granted;
      });
    }
    int all = 0;
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (Future<Integer> f : threads.invokeAll(work)) {
        all += f.get();
      }
    }
    assertThat(all).isEqualTo(60);
    assertThat(b.inFlight()).isZero();
  }

  @Test
  void whatIsLeftIsToldInBothWays() {
    KeyHolder b = holder("ik-b");
    b.enter(0);
    assertThat(b.fields(true))
        .containsExactly(
            new Header("x-ratelimit-limit-requests", "60"),
            new Header("x-ratelimit-remaining-requests", "59"),
            new Header("x-ratelimit-reset-requests", "1s"),
            new Header("anthropic-ratelimit-requests-limit", "60"),
            new Header("anthropic-ratelimit-requests-remaining", "59"),
            new Header("anthropic-ratelimit-requests-reset", "2027-01-01T00:00:00Z"));
    nanos += Duration.ofSeconds(1).toNanos();
    assertThat(b.fields(false)).contains(new Header("x-ratelimit-remaining-requests", "60"));
    assertThat(holder("ik-a").fields(true)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0ms",
    "1, 1ms",
    "20000000, 20ms",
    "999000000, 999ms",
    "1000000000, 1s",
    "7500000000, 7.5s",
    "60000000000, 1m0s",
    "360000000000, 6m0s",
    "90050000000, 1m30.05s",
    "70000000000, 1m10s"
  })
  void timesAreWrittenAsClientsReadThem(long nanos, String text) {
    assertThat(KeyHolder.duration(nanos)).isEqualTo(text);
  }
}
