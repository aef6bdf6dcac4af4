package org.infinilm.svc.router;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.policy.Line;
import org.infinilm.svc.registry.PeerBoard;
import org.infinilm.svc.registry.Service;
import org.infinilm.svc.registry.TableSource;
import org.infinilm.svc.registry.Watch;
import org.infinilm.svc.router.FleetKeeper.Report;
import org.infinilm.svc.telemetry.Ticker;

/// What a router's own picture of a large fleet costs, in microseconds of CPU time of the thread
/// that owns it: the report of one probe, and a table in which one entry changed; with the time
/// from that table until it is in force.
///
/// `java -cp 'target/classes:target/test-classes:target/lib/*' org.infinilm.svc.router.FleetCost
/// 1000`
final class FleetCost {
  private static final int ROUNDS = 10;
  private static final int PROBES = 500;
  private static final Duration BETWEEN_PROBES = Duration.ofNanos(1_500_000);
  private static final int TABLES = 100;

  private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
  private final FleetKeeper keeper;
  private final List<Service> services = new ArrayList<>();

  private FleetCost(int entries) throws Exception {
    RouterConfig config =
        RouterConfig.of(Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), null));
    Slots slots = new Slots();
    Seats seats = new Seats(slots, new Line<>(Line.Order.FIFO, 0, 1), 10, Ticker.SYSTEM);
    keeper =
        new FleetKeeper(
            config,
            slots,
            seats,
            InetAddress::getAllByName,
            Ticker.SYSTEM,
            new SplittableRandom(1));
    for (int k = 0; k < entries; k++) {
      services.add(service(k, "running", 0));
    }
  }

  private static Service service(int k, String status, double beat) {
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("type", "openai-api");
    metadata.put("parent_service", "paged-cache-" + k);
    metadata.put("cache_type", "paged");
    metadata.put("models", List.of("9g_8b_thinking"));
    metadata.put("num_blocks", 8192);
    metadata.put("block_size", 16);
    metadata.put(
        "models_list",
        List.of(Map.of("id", "9g_8b_thinking", "object", "model", "max_model_len", 131072)));
    String host = "10.1." + k / 250 + "." + (1 + k % 250);
    return new Service(
        "paged-cache-" + k + "-server",
        host,
        8000,
        "gpu-" + k,
        "http://" + host + ":8000",
        status,
        metadata,
        1,
        "healthy",
        true,
        beat,
        "2026-01-01T00:00:00Z");
  }

  /// A registry whose table is this program's.
  private final class Source implements TableSource {
    private int version;

    @Override
    public synchronized Watch watch(String since, Duration wait) throws InterruptedException {
      long end = System.nanoTime() + wait.toNanos();
      while (("v" + version).equals(since) && end - System.nanoTime() > 1_000_000) {
        wait((end - System.nanoTime()) / 1_000_000);
      }
      return new Watch("v" + version, List.copyOf(services), List.of(), null);
    }

    synchronized void put(int k, Service s) {
      services.set(k, s);
      version++;
      notifyAll();
    }

    @Override
    public PeerBoard.Answer exchange(
        String as, Map<String, Map<String, Object>> notes, String since) {
      return NONE;
    }

    @Override
    public void leave(String as) {
      // no board
    }

    @Override
    public void close() {
      // nothing is open
    }
  }

  public static void main(String[] args) throws Exception {
    new FleetCost(args.length > 0 ? Integer.parseInt(args[0]) : 1000).run();
    System.exit(0);
  }

  private void run() throws Exception {
    Source source = new Source();
    keeper.start();
    RegistrySync sync =
        new RegistrySync(source, "a registry", Duration.ofSeconds(10), keeper, Ticker.SYSTEM);
    sync.start();
    while (keeper.table().fleet().routable() < services.size()) {
      keeper.settle();
    }
    long fleet = -1;
    for (long id : threads.getAllThreadIds()) {
      if (threads.getThreadInfo(id).getThreadName().equals("fleet")) {
        fleet = id;
      }
    }
    double[] probe = new double[ROUNDS];
    double[] table = new double[ROUNDS];
    double[] force = new double[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
      long before = threads.getThreadCpuTime(fleet);
      for (int k = 0; k < PROBES; k++) {
        keeper.tell(new Report.Up(services.get(k % services.size()).name(), 0.001 * k, null));
        // as probes of a fleet that is down come
        LockSupport.parkNanos(BETWEEN_PROBES.toNanos());
      }
      keeper.settle();
      long middle = threads.getThreadCpuTime(fleet);
      long[] took = new long[TABLES];
      for (int k = 0; k < TABLES; k++) {
        boolean out = k % 2 == 0;
        long wanted = (long) services.size() - (out ? 1 : 0);
        long since = System.nanoTime();
        source.put(7, service(7, out ? "draining" : "running", k));
        while (keeper.table().fleet().routable() != wanted) {
          Thread.yield();
        }
        took[k] = System.nanoTime() - since;
      }
      Arrays.sort(took);
      probe[r] = (middle - before) / 1e3 / PROBES;
      table[r] = (threads.getThreadCpuTime(fleet) - middle) / 1e3 / TABLES;
      force[r] = took[TABLES / 2] / 1e3;
    }
    print("a probe's report, the fleet's thread", probe);
    print("a table with one change, the fleet's thread", table);
    print("until it is in force (time)", force);
    System.out.printf("%-45s %8.1f us%n", "the first round: a table with one change", table[0]);
  }

  private static void print(String what, double[] micros) {
    double[] last = Arrays.copyOfRange(micros, ROUNDS / 2, ROUNDS);
    Arrays.sort(last);
    System.out.printf(
        "%-45s %8.1f us [%.1f..%.1f]%n",
        what, last[last.length / 2], last[0], last[last.length - 1]);
  }
}
