package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.router.Programs.Running;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Instances that are processes die and come back under load, their babysitters saying "healthy"
/// all the while. No request fails that had no byte of an answer; a stream that had says how it
/// ended.
@Timeout(180)
class KillIT {
  private static final int CLIENTS = 64;

  @TempDir private Path folder;
  private Rig rig;
  private Programs programs;
  private final List<Running> running = new ArrayList<>();

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    programs = new Programs(folder);
  }

  @AfterEach
  void end() throws Exception {
    try {
      rig.quiet();
    } finally {
      programs.close();
      rig.close();
    }
  }

  /// Starts so many simulated instances, each under a babysitter that is always content.
  private void instances(int n) throws Exception {
    for (int k = 0; k < n; k++) {
      ScriptedInstance sitter = rig.good("instance-" + k);
      sitter.dies();
      running.add(simulate(k));
    }
    rig.start();
  }

  private Running simulate(int k) throws Exception {
    ScriptedInstance sitter = rig.instances.get(k);
    return programs.simulate(sitter.port(), "--speed", "10", "--name", sitter.name);
  }

  private Crowd crowd(boolean stream) {
    String body =
        "{\"model\":\"m\",\"max_tokens\":16,\"stream\":"
            + stream
            + ",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    return new Crowd(rig.port(), Rig.post(Rig.CHAT, "", body));
  }

  private static void nothingLost(Crowd c, boolean stream) {
    assertThat(c.failed).isEmpty();
    if (stream) {
      assertThat(c.broken).allMatch(s -> s.body().contains("data: {\"error\":"));
    } else {
      assertThat(c.broken).isEmpty();
    }
    assertThat(c.whole.get() + c.broken.size()).isEqualTo(c.sent.get());
  }

  @ParameterizedTest(name = "streaming: {0}")
  @ValueSource(booleans = {false, true})
  void aKillOfOneOfThreeUnderLoadCostsNoRequestWithoutAnAnswersByte(boolean stream)
      throws Exception {
    instances(3);
    AtomicBoolean going = new AtomicBoolean(true);
    try (Crowd c = crowd(stream).startWhile(CLIENTS, going::get)) {
      c.more(300);
      running.getFirst().kill();
      c.more(300);
      running.set(0, simulate(0));
      await().atMost(Rig.SOON).until(() -> rig.health().equals("3/3"));
      c.more(300);
      going.set(false);
      c.join();
      nothingLost(c, stream);
      assertThat(c.broken.size()).isLessThanOrEqualTo(CLIENTS);
    }
    assertThat(served("instance-0")).as("it serves again").isPositive();
  }

  private long served(String name) throws Exception {
    for (var s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s.path("request_count").asLong();
      }
    }
    return 0;
  }

  @ParameterizedTest(name = "streaming: {0}")
  @ValueSource(booleans = {false, true})
  void aRollingRestartCostsNoRequestWithoutAnAnswersByte(boolean stream) throws Exception {
    instances(2);
    AtomicBoolean going = new AtomicBoolean(true);
    try (Crowd c = crowd(stream).startWhile(CLIENTS / 2, going::get)) {
      for (int k = 0; k < running.size(); k++) {
        c.more(100);
        running.get(k).end();
        running.set(k, simulate(k));
      }
      c.more(100);
      going.set(false);
      c.join();
      nothingLost(c, stream);
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
  }

  /// Every process is healthy by its babysitter; one answers nothing but errors.
  @ParameterizedTest
  @ValueSource(
      strings = {"status:code=503", "status:code=500", "close-before-head", "reset-before-head"})
  void oneThatFailsAllItsRequestsCostsNone(String fault) throws Exception {
    for (int k = 0; k < 2; k++) {
      rig.good("instance-" + k).dies();
    }
    running.add(programs.simulate(rig.instances.get(0).port(), "--speed", "0", "--fault", fault));
    running.add(programs.simulate(rig.instances.get(1).port(), "--speed", "10"));
    rig.start();
    try (Crowd c = crowd(false).start(16, 25).join()) {
      nothingLost(c, false);
      assertThat(c.whole.get()).isEqualTo(400);
    }
    assertThat(Map.of("good", served("instance-1"))).containsEntry("good", 400L);
  }
}
