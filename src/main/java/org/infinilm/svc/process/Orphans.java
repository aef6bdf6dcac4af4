package org.infinilm.svc.process;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.telemetry.Ticker;

/// Processes whose supervisor was killed with all its helpers, found by what every supervised
/// process carries in its environment (Linux).
public final class Orphans {
  /// Which instance a process serves: `NAME:PORT`.
  public static final String INSTANCE = "INFINI_INSTANCE";

  /// Number and start of the supervisor, see [Proc#toString].
  public static final String SUPERVISOR = "INFINI_SUPERVISOR";

  /// Unique to one start of one instance.
  public static final String START = "INFINI_SUPERVISED";

  /// The namespace in which the supervisor's number means it.
  public static final String NAMESPACE = "INFINI_SUPERVISOR_NS";

  private Orphans() {}

  /// What to put into the environment of a process that this one supervises.
  public static Map<String, String> marks(String instance, String start) {
    long self = ProcessHandle.current().pid();
    String supervisor = Proc.of(self).map(Proc::toString).orElse("");
    return Map.of(
        INSTANCE, instance, SUPERVISOR, supervisor, NAMESPACE, Proc.pidNamespace(), START, start);
  }

  /// Ends what is left of earlier starts of this instance, as [ProcessTree#end] does; what a living
  /// supervisor looks after stays, and so does what one of another container started: its number
  /// says nothing here.
  ///
  /// @return the processes that were found
  public static List<Long> end(String instance, Duration grace, Ticker ticker)
      throws InterruptedException {
    Map<String, List<Long>> starts = new LinkedHashMap<>();
    for (Proc p : Proc.withEnvironment(INSTANCE + "=" + instance)) {
      Map<String, String> env = Proc.environment(p.pid());
      String start = env.get(START);
      Optional<Proc> supervisor = Proc.parse(env.getOrDefault(SUPERVISOR, ""));
      String space = env.get(NAMESPACE);
      boolean known = space == null ? Proc.sharesPids(p.pid()) : space.equals(Proc.pidNamespace());
      if (known && start != null && supervisor.isPresent() && !supervisor.get().alive()) {
        starts.computeIfAbsent(start, _ -> new ArrayList<>()).add(p.pid());
      }
    }
    List<Long> found = new ArrayList<>();
    for (Map.Entry<String, List<Long>> e : starts.entrySet()) {
      List<Long> pids = e.getValue();
      found.addAll(pids);
      long root =
          pids.stream().filter(p -> Proc.session(p) == p).findFirst().orElse(pids.getFirst());
      Optional<ProcessHandle> handle = ProcessHandle.of(root);
      if (handle.isPresent()) {
        boolean leads = Proc.session(root) == root;
        new ProcessTree(handle.get(), START + "=" + e.getKey(), leads).end(grace, ticker);
      }
    }
    return found;
  }
}
