package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.junit.jupiter.api.Test;

class TokenTest {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Duration CALL = Duration.ofSeconds(2);

  private final Clock clock = new Clock();
  private final AtomicInteger logins = new AtomicInteger();
  private final Token token = new Token(clock);

  private void unanswered(String shown) {
    long began = clock.nanos();
    clock.advance(CALL);
    token.unanswered(shown, began);
  }

  private void isKept(String shown) {
    assertThat(token.isDoubted()).isFalse();
    use();
    assertThat(token.get()).isEqualTo(shown);
  }

  /// As each call does.
  private void use() {
    token.renewIfDoubted(() -> "t" + logins.incrementAndGet());
  }

  private void useInVain() {
    token.renewIfDoubted(() -> {
      logins.incrementAndGet();
      throw new EtcdFailure(Kind.AWAY, "no answer");
    });
  }

  private void awaitLogins(int n) {
    await().atMost(SOON).until(() -> logins.get() == n);
  }

  @Test
  void oneWithWhichCallsWaitInVainIsRenewed() {
    token.set("old");
    unanswered("old");
    unanswered("old");
    isKept("old");
    unanswered("old");
    use();
    await().atMost(SOON).until(() -> "t1".equals(token.get()));
    isKept("t1");
    unanswered("old");
    unanswered("old");
    unanswered("old");
    isKept("t1");
    assertThat(logins).as("those were calls with the other").hasValue(1);
  }

  @Test
  void oneThatIsAnsweredInBetweenIsKept() {
    token.set("old");
    for (int k = 0; k < 20; k++) {
      unanswered("old");
      unanswered("old");
      token.answered("old");
      isKept("old");
    }
    long began = clock.nanos();
    clock.advance(Duration.ofSeconds(10));
    token.answered("old");
    clock.advance(CALL);
    token.unanswered("old", began);
    isKept("old");
  }

  @Test
  void timeWithoutCallsIsNoWaiting() {
    token.set("old");
    unanswered("old");
    clock.advance(Duration.ofHours(1));
    isKept("old");
    unanswered("old");
    isKept("old");
    unanswered("old");
    isKept("old");
    unanswered("old");
    assertThat(token.isDoubted()).isTrue();
  }

  /// Where authentication is off no token is shown, and none waited over.
  @Test
  void noneIsNotDoubted() {
    token.set("");
    for (int k = 0; k < 20; k++) {
      unanswered("");
      assertThat(token.isDoubted()).isFalse();
    }
  }

  /// An etcd that hangs, or is slow, is not kept busy by logins.
  @Test
  void renewalsThatHelpNothingAreSeldom() {
    token.set("old");
    long hour = Duration.ofHours(1).dividedBy(CALL);
    for (int k = 0; k < hour; k++) {
      unanswered("old");
      int before = logins.get();
      if (token.isDoubted()) {
        useInVain();
        awaitLogins(before + 1);
      }
    }
    assertThat(logins.get()).isBetween(110, 125);
    assertThat(token.get()).as("it may be good still").isEqualTo("old");
    token.answered("old");
    unanswered("old");
    unanswered("old");
    unanswered("old");
    use();
    await().atMost(SOON).until(() -> !"old".equals(token.get()));
  }

  @Test
  void oneThatIsRefusedIsNoneAndOnlyThatOne() {
    token.set("new");
    token.ended("old");
    assertThat(token.get()).isEqualTo("new");
    token.ended("new");
    assertThat(token.get()).isNull();
    assertThat(token.isDoubted()).isFalse();
  }
}
