package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Babysitters of instances that sleep which do not answer, or not as they should.
@Timeout(120)
class SilentBabysittersIT extends SleepersRig {
  @Test
  void aBabysitterThatDoesNotAnswerIsTold() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.deserted();
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(503);
    assertThat(said.body()).contains("cannot be woken", "does not answer");
    assertThat(said.field("retry-after")).isNotEmpty();
    // and to those who look: nothing but its state says that it sleeps
    await().atMost(Rig.SOON).until(() -> rig.service("s").path("babysitter_silent").asBoolean());
    assertThat(rig.service("s").path("state").asText()).isEqualTo("asleep");
    assertThat(rig.service("s").path("why_out").asText())
        .startsWith("it sleeps, and its babysitter did not answer when a request came: ")
        .contains("refused");
    assertThat(rig.text("/services")).doesNotContain("until a request comes");
    s.returns();
    // what is refused is refused for a while; the registry's news of it ends that
    rig.registry.status("s", "starting");
    rig.awaitState("s", "waking");
    assertThat(rig.service("s").path("babysitter_silent").asBoolean()).isFalse();
    CompletableFuture<Said> again = ask();
    woken(s);
    s.serves();
    assertThat(again.get().ok()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 502})
  void aBabysitterThatAnswersAndTakesNoCallIsNotSilent(int status) throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.shuts(status);
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(503);
    assertThat(said.body()).contains("cannot be woken", "does not take the call");
    assertThat(s.wakes).as("it is asked a few times").hasSizeGreaterThan(2);
    assertThat(rig.service("s").path("babysitter_silent").asBoolean()).isFalse();
    assertThat(rig.service("s").path("why_out").asText()).contains("until a request comes");
  }

  /// It left the table and is back as it was: no news of it, but its silence is forgotten.
  @Test
  void whoseSilenceIsForgottenIsWaitedForAsBefore() throws Exception {
    SleepingInstance s = sleeper("s");
    AtomicLong ahead = new AtomicLong();
    rig.launch(ahead(ahead), List.of(), "service_removal_grace_period=600");
    rig.awaitState("s", "asleep");
    s.deserted();
    assertThat(rig.chat().body()).contains("does not answer");
    await().atMost(Rig.SOON).until(() -> rig.service("s").path("babysitter_silent").asBoolean());
    Map<String, Object> entry = rig.registry.entry("s");
    rig.registry.forgets("s");
    await()
        .atMost(Rig.SOON)
        .until(() -> rig.service("s").path("why_out").asText().contains("lists it no more"));
    rig.registry.lists(entry);
    await().atMost(Rig.SOON).until(() -> !rig.service("s").path("babysitter_silent").asBoolean());
    // what was refused may be tried again
    ahead.addAndGet(Duration.ofSeconds(11).toNanos());
    CompletableFuture<Said> said = ask();
    await().during(Duration.ofSeconds(1)).atMost(Rig.SOON).until(() -> !said.isDone());
    s.returns();
    woken(s);
    s.serves();
    assertThat(said.get().ok()).as(said.get().body()).isTrue();
  }

  private static Ticker ahead(AtomicLong nanos) {
    return new Ticker() {
      @Override
      public long nanos() {
        return SYSTEM.nanos() + nanos.get();
      }

      @Override
      public Instant now() {
        return SYSTEM.now();
      }
    };
  }

  @Test
  void aBabysitterThatIsStartedAgainIsWaitedFor() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.deserted();
    CompletableFuture<Said> said = ask();
    // as long as a program takes to start
    await().during(Duration.ofSeconds(2)).atMost(Rig.SOON).until(() -> !said.isDone());
    s.returns();
    woken(s);
    s.serves();
    assertThat(said.get().ok()).as(said.get().body()).isTrue();
  }

  @Test
  void theSameWhereTheRouterHearsOfItMeanwhile() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.serves();
    rig.awaitState("s", "routable");
    s.says("waking", "");
    s.stops();
    CompletableFuture<Said> said = ask();
    woken(s);
    rig.registry.status("s", "asleep");
    rig.awaitState("s", "asleep");
    held(1);
    s.serves();
    assertThat(said.get().ok()).as(said.get().body()).isTrue();
  }

  @Test
  void whileTheRegistryIsAwayTheBabysittersWordIsEnough() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    rig.registry.dies();
    CompletableFuture<Said> said = ask();
    woken(s);
    s.listens();
    s.says("healthy", "");
    assertThat(said.get().ok()).isTrue();
    rig.awaitState("s", "routable");
    rig.registry.returns();
  }
}
