package org.infinilm.svc.deploy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;

/// Ends the processes of a deployment in order: the router (no new requests), the babysitters (they
/// end their engines), the registry; then whatever of the deployment is left.
final class Ending {
  /// In a deployment's processes' environment: which deployment they belong to.
  static final String MARK = "INFINI_DEPLOYMENT";

  /// Beside it: the run folder of the deployment.
  static final String FOLDER = "INFINI_RUN_FOLDER";

  private static final Duration POLL = Duration.ofMillis(20);

  private final Ticker ticker;
  private final Consumer<String> say;

  Ending(Ticker ticker, Consumer<String> say) {
    this.ticker = ticker;
    this.say = say;
  }

  /// How long a part may take after SIGTERM.
  static Duration grace(State.Role role) {
    return switch (role) {
      case ROUTER -> Duration.ofSeconds(15);
      case BABYSITTER -> Duration.ofSeconds(45);
      case REGISTRY -> Duration.ofSeconds(5);
    };
  }

  /// Ends the parts that live and everything that carries the deployment's mark; returns when
  /// nothing of it lives.
  void end(State state) throws InterruptedException {
    for (State.Role role : State.Role.values()) {
      Map<Proc, String> stage = new LinkedHashMap<>();
      for (State.Part p : state.parts()) {
        if (p.role() == role && p.process().alive()) {
          stage.put(p.process(), p.name());
        }
      }
      stop(stage, grace(role));
    }
    Map<Proc, String> left = new LinkedHashMap<>();
    Proc.withEnvironment(MARK + "=" + state.id()).forEach(p -> left.put(p, "a process left over"));
    stop(left, Duration.ofSeconds(5));
  }

  /// SIGTERM to all at once, SIGKILL to those that still live after `grace`.
  private void stop(Map<Proc, String> stage, Duration grace) throws InterruptedException {
    stage.keySet().forEach(p -> p.signal(false));
    List<Proc> late = await(new ArrayList<>(stage.keySet()), grace);
    for (Proc p : late) {
      say.accept(
          stage.get(p)
              + " (pid "
              + p.pid()
              + ") still runs "
              + grace.toSeconds()
              + " s after SIGTERM; killing it");
      p.signal(true);
    }
    List<Proc> immortal = await(late, Duration.ofSeconds(5));
    for (Map.Entry<Proc, String> e : stage.entrySet()) {
      say.accept(
          e.getValue()
              + " (pid "
              + e.getKey().pid()
              + (immortal.contains(e.getKey()) ? ") cannot be killed" : ") ended"));
    }
  }

  /// Those that still live when the time is over.
  List<Proc> await(List<Proc> processes, Duration limit) throws InterruptedException {
    long give = ticker.nanos() + limit.toNanos();
    List<Proc> living = new ArrayList<>(processes);
    while (true) {
      living.removeIf(p -> !p.alive());
      if (living.isEmpty() || ticker.nanos() - give > 0) {
        return living;
      }
      Thread.sleep(POLL);
    }
  }
}
