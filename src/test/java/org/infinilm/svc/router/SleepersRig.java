package org.infinilm.svc.router;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// A router and instances that sleep for a test.
abstract class SleepersRig {
  final List<SleepingInstance> sleepers = new ArrayList<>();
  final List<CompletableFuture<Said>> sent = new ArrayList<>();
  Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    sleepers.forEach(SleepingInstance::close);
    rig.close();
  }

  SleepingInstance sleeper(String name, Map<String, Object> metadata) throws IOException {
    SleepingInstance s = new SleepingInstance(name, rig.registry, metadata);
    sleepers.add(s);
    return s;
  }

  SleepingInstance sleeper(String name) throws IOException {
    return sleeper(name, Map.of());
  }

  /// A router that knows all of them.
  void route(String... settings) throws Exception {
    rig.launch(Ticker.SYSTEM, List.of(), settings);
    for (SleepingInstance s : sleepers) {
      rig.awaitState(s.name, "asleep");
    }
    for (ScriptedInstance i : rig.instances) {
      rig.awaitState(i.name, "routable");
    }
  }

  CompletableFuture<Said> ask(int port, String body) {
    CompletableFuture<Said> said =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return rig.send(port, Rig.post(Rig.CHAT, "", body));
              } catch (IOException e) {
                throw new AssertionError(e);
              }
            },
            r -> Thread.ofVirtual().start(r));
    sent.add(said);
    return said;
  }

  CompletableFuture<Said> ask() {
    return ask(rig.port(), Rig.BODY);
  }

  /// Waits until so many requests stand in line.
  void held(int requests) {
    String line = "infini_router_queue_length " + requests;
    await().atMost(Rig.SOON).until(() -> rig.text("/metrics").contains(line + ".0"));
  }

  static void woken(SleepingInstance s) {
    await().atMost(Rig.SOON).until(() -> !s.wakes.isEmpty());
  }
}
