package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient.Outcome;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EnrolmentTest {
  private static final class FakeRoll implements Enrolment.Roll {
    final Map<String, String> entries = new ConcurrentHashMap<>();
    final List<String> calls = new CopyOnWriteArrayList<>();
    volatile boolean down;
    final AtomicInteger odd = new AtomicInteger();
    volatile boolean takenByAnother;

    /// Where that one is.
    volatile String place = "http://elsewhere:1";

    /// Calls that say a status are carried out, and nobody hears of it.
    volatile boolean losesAnswers;

    final AtomicLong lost = new AtomicLong();

    /// The first of two registries does not answer; the other does.
    volatile boolean losesElsewhere;

    @Override
    public boolean isAt(String name, String url) {
      return takenByAnother && place.equals(url);
    }

    @Override
    public long lost() {
      return lost.get();
    }

    private void answer() throws IOException {
      if (losesElsewhere) {
        lost.incrementAndGet();
      }

      if (losesAnswers) {
        throw new IOException("connection reset");
      }
    }

    private void call(String what) throws IOException {
      if (down) {
        throw new IOException("down");
      }
      if (odd.get() > 0 && what.equals("heartbeat")) {
        if (odd.decrementAndGet() == 0) {
          throw new OutOfMemoryError("an answer of 60 MB");
        }
        throw new IllegalStateException("an answer that cannot be taken");
      }
      calls.add(what);
    }

    @Override
    public Outcome register(Registration r) throws IOException {
      call("register " + r.status());
      if (takenByAnother && !r.status().equals("running") && !place.equals(r.url())) {
        return Outcome.TAKEN;
      }
      takenByAnother = false;
      entries.put(r.name(), r.status());
      answer();
      return Outcome.DONE;
    }

    private Outcome outcome(String name) {
      return takenByAnother
          ? Outcome.TAKEN
          : entries.containsKey(name) ? Outcome.DONE : Outcome.UNKNOWN;
    }

    @Override
    public Outcome renew(String name, @Nullable String status, @Nullable String incarnation)
        throws IOException {
      call("heartbeat");
      Outcome o = outcome(name);
      if (o == Outcome.DONE && status != null) {
        entries.put(name, status);
        answer();
      }
      return o;
    }

    @Override
    public Outcome setStatus(String name, String status, @Nullable String incarnation)
        throws IOException {
      call("status " + status);
      Outcome o = outcome(name);
      if (o == Outcome.DONE) {
        entries.put(name, status);
      }
      answer();
      return o;
    }

    @Override
    public Outcome unregister(String name, @Nullable String incarnation) throws IOException {
      call("unregister");
      Outcome o = outcome(name);
      if (o == Outcome.DONE) {
        entries.remove(name);
      }
      return o;
    }
  }

  private final FakeRoll roll = new FakeRoll();
  private final Enrolment enrolment =
      new Enrolment("a", roll, Duration.ofMillis(20), Ticker.SYSTEM, new Random(1), outcome -> {});

  private static Registration entry(String status) {
    return new Registration("a", "h", 1, "h", "http://h:1", status, Map.of("k", 1), 1);
  }

  @AfterEach
  void end() throws InterruptedException {
    roll.down = false;
    roll.takenByAnother = false;
    enrolment.leave(Duration.ofSeconds(2));
    assertThat(roll.entries).isEmpty();
  }

  @Test
  void isRegisteredAndRenewed() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.calls.contains("heartbeat"));
    assertThat(roll.calls.getFirst()).isEqualTo("register running");
    assertThat(enrolment.settled()).isTrue();
  }

  @Test
  void anAnswerThatCannotBeTakenEndsNoHeartbeats() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.calls.contains("heartbeat"));
    roll.odd.set(2);
    await().until(() -> roll.odd.get() == 0);
    roll.calls.clear();
    await().until(() -> roll.calls.contains("heartbeat"));
  }

  @Test
  void isRegisteredAgainWhenTheRegistryForgotIt() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.entries.containsKey("a"));
    roll.entries.clear();
    await().until(() -> roll.entries.containsKey("a"));
  }

  @Test
  void aRegistryThatStartsLastIsTriedUntilItAnswers() {
    roll.down = true;
    enrolment.want(entry("running"));
    enrolment.start();
    await().during(Duration.ofMillis(100)).until(roll.entries::isEmpty);
    roll.down = false;
    await().until(() -> roll.entries.containsKey("a"));
  }

  @Test
  void outOfServiceIsAStatusAndBackInServiceARegistration() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> "running".equals(roll.entries.get("a")));
    enrolment.wantStatus("restarting");
    await().until(() -> "restarting".equals(roll.entries.get("a")));
    enrolment.want(entry("running"));
    await().until(() -> "running".equals(roll.entries.get("a")));
    assertThat(roll.calls.stream().filter(c -> !c.equals("heartbeat")))
        .containsExactly("register running", "status restarting", "register running");
  }

  @ParameterizedTest
  @ValueSource(strings = {"unhealthy", "restarting", "draining"})
  void aChangeWhoseAnswerIsLostIsTakenBack(String status) {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.calls.contains("heartbeat"));
    roll.losesAnswers = true;
    enrolment.wantStatus(status);
    await().until(() -> status.equals(roll.entries.get("a")));
    enrolment.want(entry("running"));
    roll.losesAnswers = false;
    await().until(() -> "running".equals(roll.entries.get("a")));
    await().until(enrolment::settled);
  }

  @Test
  void whatOneRegistryDidNotAnswerIsSaidAgainThoughAnotherDid() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.calls.contains("heartbeat"));
    roll.losesElsewhere = true;
    enrolment.wantStatus("draining");
    await().until(() -> "draining".equals(roll.entries.get("a")));
    roll.losesElsewhere = false;
    roll.calls.clear();
    await().until(() -> roll.calls.contains("register draining"));
    assertThat(roll.calls.getFirst()).isEqualTo("heartbeat");
  }

  @Test
  void whoLeavesInDoubtSaysSoTwice() throws InterruptedException {
    roll.losesAnswers = true;
    enrolment.want(entry("running"));
    enrolment.start();
    await().until(() -> roll.entries.containsKey("a"));
    enrolment.leave(Duration.ofSeconds(2));
    assertThat(roll.calls.stream().filter("unregister"::equals)).hasSize(2);
  }

  @Test
  void aStatusWithoutAnEntryRegistersNothing() {
    enrolment.start();
    enrolment.wantStatus("restarting");
    await().during(Duration.ofMillis(60)).until(roll.calls::isEmpty);
  }

  @Test
  void whoDoesNotServeYetTakesNoNameAwayAndWhoDoesTakesItAtOnce() {
    roll.takenByAnother = true;
    enrolment.want(entry("loading"));
    enrolment.start();
    await().until(() -> roll.calls.size() > 2);
    assertThat(roll.calls).containsOnly("heartbeat");
    enrolment.want(entry("running"));
    await().until(() -> "running".equals(roll.entries.get("a")));
  }

  /// A babysitter that was killed, and whose next process sleeps until it is asked for: by the key
  /// of the last one nobody could wake it until that one's lease was over.
  @Test
  void theNameOfWhoWasAtTheSameAddressIsTakenOnceWithoutServing() {
    roll.takenByAnother = true;
    roll.place = "http://h:1";
    enrolment.start();
    enrolment.want(entry("asleep"));
    await().until(() -> "asleep".equals(roll.entries.get("a")));
    await().until(() -> roll.calls.stream().filter("heartbeat"::equals).count() > 2);
    // whoever takes it now keeps it
    roll.takenByAnother = true;
    long before = roll.calls.stream().filter("register asleep"::equals).count();
    int calls = roll.calls.size();
    await().until(() -> roll.calls.size() > calls + 3);
    assertThat(roll.calls.stream().filter("register asleep"::equals)).hasSize((int) before);
  }

  @Test
  void whoYieldsTakesTheNameWhenItClaimsIt() {
    roll.takenByAnother = true;
    enrolment.yieldName();
    enrolment.want(entry("running"));
    enrolment.start();
    await().until(() -> roll.calls.size() > 2);
    assertThat(roll.calls).containsOnly("heartbeat");
    enrolment.claim();
    await().until(() -> "running".equals(roll.entries.get("a")));
  }

  @Test
  void aFreeNameIsRegisteredBeforeTheServerServes() {
    enrolment.yieldName();
    enrolment.want(entry("loading"));
    enrolment.start();
    await().until(() -> "loading".equals(roll.entries.get("a")));
  }

  @Test
  void whoLostItsNameLooksForItSoonerThanAHeartbeat() throws InterruptedException {
    Enrolment slow =
        new Enrolment("a", roll, Duration.ofHours(1), Ticker.SYSTEM, new Random(1), outcome -> {});
    slow.want(entry("running"));
    slow.start();
    await().until(() -> roll.entries.containsKey("a"));
    roll.takenByAnother = true;
    slow.wantStatus("draining");
    await().until(() -> roll.calls.contains("status draining"));
    slow.want(entry("running"));
    roll.takenByAnother = false;
    roll.entries.clear();
    await().until(() -> "running".equals(roll.entries.get("a")));
    slow.leave(Duration.ofSeconds(2));
  }

  @Test
  void aNameThatAnotherHasIsNotFoughtForAndTakenOverWhenThatOneIsGone() {
    enrolment.start();
    enrolment.want(entry("running"));
    await().until(() -> roll.entries.containsKey("a"));
    roll.takenByAnother = true;
    roll.calls.clear();
    await().until(() -> roll.calls.size() > 1);
    enrolment.wantStatus("unhealthy");
    enrolment.want(entry("running"));
    int before = roll.calls.size();
    await().until(() -> roll.calls.size() > before + 2);
    assertThat(roll.calls).doesNotContain("register running");
    roll.entries.clear();
    roll.takenByAnother = false;
    await().until(() -> "running".equals(roll.entries.get("a")));
  }
}
