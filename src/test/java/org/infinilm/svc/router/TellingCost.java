package org.infinilm.svc.router;

import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.history.History;
import org.infinilm.svc.history.HistorySettings;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Ticker;

/// What telling of a request costs the thread on which it ends, in nanoseconds of its CPU time: the
/// access log's line, history's sums, the ring. Caches are warm, which they are not under load.
///
/// `java -cp 'target/classes:target/test-classes:target/lib/*' org.infinilm.svc.router.TellingCost`
final class TellingCost {
  private static final int ROUNDS = 12;
  private static final int EACH = 100_000;
  private static final int MADE = 512;

  /// Told in one go, then the thread of the log has its time: it must lose no line.
  private static final int AT_ONCE = 2048;

  private static final long PAUSE_NANOS = 60_000_000;

  private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

  private TellingCost() {}

  public static void main(String[] args) throws Exception {
    TellingCost cost = new TellingCost();
    try (AccessLog log = new AccessLog(Channels.newChannel(OutputStream.nullOutputStream()))) {
      log.start();
      cost.print("access log", log::add);
      if (log.lost() > 0) {
        throw new IllegalStateException(log.lost() + " lines lost: not what telling costs");
      }
    }
    Path folder = Files.createTempDirectory("telling");
    HistorySettings settings =
        new HistorySettings(folder.resolve("history.db"), 7, 30, 100L << 20, 100);
    History<Decision> history =
        new History<>(settings, new PastWords(SizeMetric.BODY), Ticker.SYSTEM);
    cost.print("history", history::offer);
    cost.print("ring", new Decisions(4096)::put);
  }

  private void print(String what, Consumer<Decision> told) {
    double[] nanos = new double[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
      long before = threads.getCurrentThreadCpuTime();
      long empty = run(r, d -> {});
      long middle = threads.getCurrentThreadCpuTime();
      run(r, told);
      nanos[r] = (threads.getCurrentThreadCpuTime() - middle - (middle - before)) / (double) empty;
    }
    double[] last = Arrays.copyOfRange(nanos, ROUNDS / 2, ROUNDS);
    Arrays.sort(last);
    System.out.printf(
        "%-10s %6.1f ns [%.1f..%.1f]%n",
        what, last[last.length / 2], last[0], last[last.length - 1]);
  }

  private static long run(int round, Consumer<Decision> told) {
    Decision[] made = new Decision[MADE];
    for (int k = 0; k < EACH; k++) {
      if (k % (MADE * 20) < MADE) {
        made[k % MADE] = decision(round, k);
      }
      told.accept(made[k % MADE]);
      if (k % AT_ONCE == AT_ONCE - 1) {
        LockSupport.parkNanos(PAUSE_NANOS);
      }
    }
    return EACH;
  }

  private static Decision decision(int round, int k) {
    SampleDecision d = new SampleDecision();
    d.sequence = (long) round * EACH + k;
    d.requestId = "req-8123456789abcdef-" + k;
    d.epochMillis = 1_764_332_461_000L + round * 1000L + k / 500;
    d.path = "/v1/chat/completions";
    d.size = 1034;
    d.pool = k % 2 == 0 ? Pool.PAGED : Pool.STATIC;
    d.instance = k % 2 == 0 ? "paged" : "static";
    d.reason = Reason.SIZE;
    d.ttftNanos = 1_234_567L + k;
    d.totalNanos = 1_334_567L + k;
    d.requestBytes = 1034;
    d.responseBytes = 1200;
    return d.make();
  }
}
