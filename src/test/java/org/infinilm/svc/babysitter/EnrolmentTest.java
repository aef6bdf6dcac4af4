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
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EnrolmentTest {
  private static final class FakeRoll implements Enrolment.Roll {
    final Map<String, String> entries = new ConcurrentHashMap<>();
    final List<String> calls = new CopyOnWriteArrayList<>();
    volatile boolean down;

    private void call(String what) throws IOException {
      if (down) {
        throw new IOException("down");
      }
      calls.add(what);
    }

    @Override
    public void register(Registration r) throws IOException {
      call("register " + r.status());
      entries.put(r.name(), r.status());
    }

    @Override
    public boolean heartbeat(String name, @Nullable String status) throws IOException {
      call("heartbeat");
      return entries.containsKey(name);
    }

    @Override
    public boolean setStatus(String name, String status) throws IOException {
      call("status " + status);
      return entries.replace(name, status) != null;
    }

    @Override
    public boolean unregister(String name) throws IOException {
      call("unregister");
      return entries.remove(name) != null;
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

  @Test
  void aStatusWithoutAnEntryRegistersNothing() {
    enrolment.start();
    enrolment.wantStatus("restarting");
    await().during(Duration.ofMillis(60)).until(roll.calls::isEmpty);
  }
}
