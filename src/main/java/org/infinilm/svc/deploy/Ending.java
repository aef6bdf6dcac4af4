package org.infinilm.svc.deploy;

import static java.util.stream.Collectors.joining;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.process.ProcessTree;
import org.infinilm.svc.telemetry.Ticker;

/// Ends the processes of a deployment in order: the router (no new requests), the babysitters (they
/// end their engines), the registry; then whatever of the deployment is left.
final class Ending {
  /// In a deployment's processes' environment: which deployment they belong to.
  static final String MARK = "INFINI_DEPLOYMENT";

  /// Beside it: which part of it they came from, see [#part].
  static final String PART = "INFINI_PART";

  /// Beside it: the first port of that part.
  static final String PORT = "INFINI_PART_PORT";

  /// Beside it: the run folder of the deployment.
  static final String FOLDER = "INFINI_RUN_FOLDER";

  private static final Duration POLL = Duration.ofMillis(20);
  private static final Duration LEFT_OVER = Duration.ofSeconds(5);

  private final Ticker ticker;
  private final Consumer<String> say;

  Ending(Ticker ticker, Consumer<String> say) {
    this.ticker = ticker;
    this.say = say;
  }

  /// What the processes of one part carry.
  static String part(String deployment, String name) {
    return deployment + "/" + name;
  }

  /// How long a part may take after SIGTERM.
  static Duration grace(State.Role role) {
    return switch (role) {
      case ROUTER -> Duration.ofSeconds(15);
      case BABYSITTER -> Duration.ofSeconds(45);
      case REGISTRY -> Duration.ofSeconds(5);
    };
  }

  /// Ends the parts that live with all that came from them, and everything that carries the
  /// deployment's mark; returns when nothing of it lives or the graces are over.
  ///
  /// @return how many parts lived, and one if something else did
  int end(State state) throws InterruptedException {
    return end(state, Ending::grace, List.of(MARK + "=" + state.id()));
  }

  /// @param grace from the first SIGTERM to a role until what is left of it is killed
  /// @param marks of what is ended at last
  int end(State state, Function<State.Role, Duration> grace, List<String> marks)
      throws InterruptedException {
    int lived = 0;
    for (State.Role role : State.Role.values()) {
      List<Thread> stage = new ArrayList<>();
      for (State.Part p : state.parts()) {
        if (p.role() == role && p.process().alive()) {
          ProcessTree tree = ProcessTree.of(p.process(), PART + "=" + part(state.id(), p.name()));
          stage.add(ending(p.name() + " (pid " + p.process().pid() + ")", tree, grace.apply(role)));
        }
      }
      for (Thread t : stage) {
        t.join();
      }
      lived += stage.size();
    }
    for (String mark : marks) {
      List<Proc> left = Proc.withEnvironment(mark);
      if (!left.isEmpty()) {
        String pids = left.stream().map(p -> String.valueOf(p.pid())).collect(joining(", "));
        ending("left over (pid " + pids + ")", ProcessTree.marked(mark), LEFT_OVER).join();
        lived++;
      }
    }
    return lived;
  }

  private Thread ending(String what, ProcessTree tree, Duration grace) {
    return Thread.ofVirtual()
        .name("end")
        .start(() -> {
          try {
            boolean ended = tree.end(grace, ticker);
            List<Long> killed = tree.killed();
            String how =
                killed.isEmpty()
                    ? ""
                    : ", after SIGTERM and "
                        + grace.toSeconds()
                        + " s killed process "
                        + killed.stream().map(String::valueOf).collect(joining(", "));
            say(what + (ended ? " ended" : " cannot be killed") + how);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  private synchronized void say(String line) {
    say.accept(line);
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
