package org.infinilm.svc.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.accuracy.FleetView;
import org.infinilm.svc.accuracy.Observed;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.load.Target;
import org.infinilm.svc.results.BenchReport;
import org.infinilm.svc.results.ResultMerge;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// `infini bench --observe RESULT --url ROUTER -- COMMAND`: runs another load generator, follows
/// the router's decisions and the instances' counters meanwhile, and adds what they say to the
/// result file that the command wrote. The command's exit code is passed on.
final class BenchObserve {
  private static final long POLL_MILLIS = 200;
  private static final long SETTLE_MILLIS = 3000;
  private static final int FIRST_LIMIT = 200;
  private static final int MOST_LIMIT = 1 << 17;

  private final PrintStream out;
  private final PrintStream err;
  private final Ticker ticker;
  private final @Nullable Long expectThreshold;
  private final Observed observed = new Observed();
  private int limit = FIRST_LIMIT;
  private boolean missed;

  /// @param expectThreshold as it should be; null: the router's own is taken
  BenchObserve(PrintStream out, PrintStream err, Ticker ticker, @Nullable Long expectThreshold) {
    this.out = out;
    this.err = err;
    this.ticker = ticker;
    this.expectThreshold = expectThreshold;
  }

  /// @param result the file that the command writes, or the folder it writes it to
  int run(Client client, Target router, Path result, List<String> command, Interrupts interrupts)
      throws ConfigException, InterruptedException {
    if (command.isEmpty()) {
      throw new ConfigException(
          "--observe: no command (expected: -- COMMAND ARGS after the flags)");
    }
    FleetView view = new FleetView(client, router);
    Map<String, FleetView.Seen> before = view.read();
    if (before == null) {
      err.println(
          "warning: no router at "
              + router
              + " (expected: one that answers /services); the"
              + " command runs, its routing is not measured");
    } else {
      observed.ignore(view.decisions(MOST_LIMIT));
    }
    Map<Path, Long> old = ResultMerge.times(result);
    Process p = start(command);
    AtomicBoolean interrupted = new AtomicBoolean();
    interrupts.then(() -> {
      interrupted.set(true);
      ChildSignals.pass(p, interrupts.signal());
    });
    while (!p.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
      if (before != null) {
        poll(view);
      }
    }
    int exit = p.exitValue();
    Routing routing = before == null ? null : settled(view, before);
    if (missed) {
      err.println("warning: the router forgot decisions before they were read; some are missing");
    }
    boolean merged = merge(result, old, command, exit == 0 && !interrupted.get(), routing);
    return exit == 0 && !merged ? 1 : exit;
  }

  private Process start(List<String> command) throws ConfigException {
    try {
      return new ProcessBuilder(command).inheritIO().start();
    } catch (IOException e) {
      throw new ConfigException(
          command.getFirst() + " (expected: a command that can be started): " + e.getMessage());
    }
  }

  /// Reads the newest decisions, more of them when all were new.
  private void poll(FleetView view) throws InterruptedException {
    boolean begun = observed.begun();
    JsonNode last = view.decisions(limit);
    boolean gap = observed.add(last);
    while (gap && last.size() == limit && limit < MOST_LIMIT) {
      limit *= 4;
      last = view.decisions(limit);
      gap = observed.add(last);
    }
    missed |= gap && begun;
  }

  /// Waits until nothing new comes and the instances have counted, within a bound.
  private Routing settled(FleetView view, Map<String, FleetView.Seen> before)
      throws InterruptedException {
    long begin = ticker.nanos();
    while (true) {
      int known = observed.count();
      poll(view);
      Map<String, FleetView.Seen> after = view.read();
      Routing r =
          Routing.told(
              observed.answers(),
              FleetView.between(before, after),
              observed.metric(),
              expectThreshold);
      boolean late = (ticker.nanos() - begin) / 1_000_000 > SETTLE_MILLIS;
      boolean quiet = observed.count() == known && known > 0;
      if (late || (quiet && !Boolean.FALSE.equals(r.countersAgree()))) {
        return r;
      }
      Thread.sleep(POLL_MILLIS);
    }
  }

  private boolean merge(
      Path result,
      Map<Path, Long> old,
      List<String> command,
      boolean complete,
      @Nullable Routing routing) {
    Optional<Path> file = ResultMerge.newest(result, old);
    if (file.isEmpty()) {
      err.println(
          result
              + (Files.isDirectory(result)
                  ? ": the command wrote no *.json there"
                  : ": the command did not write it")
              + " (expected: a result file to add routing to)");
      return false;
    }
    try {
      ResultMerge.merge(file.get(), observed, command, complete, routing);
      if (routing != null) {
        BenchReport.routing(routing).forEach(out::println);
      }
      out.println("Routing added to: " + file.get());
      return true;
    } catch (IOException e) {
      err.println(file.get() + ": " + e.getMessage());
      return false;
    }
  }
}
