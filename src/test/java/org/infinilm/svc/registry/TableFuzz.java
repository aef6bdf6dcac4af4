package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The lease table against a naive twin: random registrations, heartbeats, probes, removals, time
/// and restarts from the journal's bytes.
class TableFuzz {
  private static final int STEPS = 10_000;
  private static final String[] NAMES = {"a", "b", "c", "d", "e"};
  private static final String[] STATUSES = {"running", "draining", "restarting"};

  /// One entry as the rules have it, in plain fields.
  private static final class Twin {
    String status = "running";
    String url = "";
    @Nullable String incarnation;
    double beat;
    Lease.Probe probe = Lease.Probe.UNKNOWN;

    boolean fresh(double now) {
      return now - beat < 120;
    }

    boolean healthy(double now) {
      return status.equals("running") && fresh(now) && probe != Lease.Probe.UNHEALTHY;
    }

    boolean isOf(@Nullable String other) {
      return other == null || other.equals(incarnation);
    }
  }

  private final Map<String, Twin> twins = new TreeMap<>();
  private final Map<String, Double> graves = new HashMap<>();
  private Table table = Table.EMPTY;
  private final ByteArrayOutputStream journal = new ByteArrayOutputStream();

  private Table.Step apply(Event e, double now) {
    long before = table.version();
    Table.Step step = table.apply(e, Samples.at(now));
    table = step.next();
    step.records().forEach(r -> journal.writeBytes(JournalFormat.line(r)));
    assertThat(table.version()).isGreaterThanOrEqualTo(before);
    return step;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void theTableAgreesWithItsTwin(long seed) throws IOException {
    Random random = new Random(seed);
    double now = 0;
    for (int step = 0; step < STEPS; step++) {
      // Whole seconds: the journal has no others.
      now += random.nextInt(20) == 0 ? random.nextInt(400) : random.nextInt(3);
      String name = NAMES[random.nextInt(NAMES.length)];
      String incarnation = random.nextInt(3) == 0 ? null : "i" + random.nextInt(2);
      String status = STATUSES[random.nextInt(STATUSES.length)];
      Twin twin = twins.get(name);
      String what = "seed " + seed + " step " + step;
      switch (random.nextInt(10)) {
        case 0, 1 -> {
          String url = "http://h:" + (1 + random.nextInt(2));
          register(name, status, url, incarnation, now);
        }
        case 2, 3, 4 -> beat(name, random.nextBoolean() ? status : null, incarnation, now, what);
        case 5 -> delete(name, incarnation, now, what);
        case 6, 7 -> {
          boolean well = random.nextBoolean();
          Lease l = table.leases().get(name);
          apply(new Event.Probed(name, l == null ? 0 : l.serial(), well), now);
          if (twin != null) {
            twin.probe = well ? Lease.Probe.HEALTHY : Lease.Probe.UNHEALTHY;
          }
        }
        case 8 -> {
          double at = now;
          boolean cleanUp = random.nextBoolean();
          apply(cleanUp ? new Event.CleanUp() : new Event.Aged(), now);
          if (cleanUp) {
            twins.values().removeIf(t -> at - t.beat > 300);
          }
        }
        default -> {
          if (random.nextInt(20) == 0) {
            restart(now);
          }
        }
      }
      check(now, what);
    }
  }

  private void register(
      String name, String status, String url, @Nullable String incarnation, double now) {
    Entry e = new Entry(name, "h", 1, "h", url, status, Map.of("k", status), null, incarnation);
    Table.Step step = apply(new Event.Register(e), now);
    Twin old = twins.get(name);
    boolean refused =
        old != null
            && !status.equals("running")
            && !old.isOf(incarnation)
            && !old.url.equals(url)
            && old.healthy(now);
    assertThat(step.holder() != null).isEqualTo(refused);
    if (refused) {
      return;
    }
    Twin t = new Twin();
    t.status = status;
    t.incarnation = incarnation;
    t.url = url;
    t.beat = now;
    twins.put(name, t);
    graves.remove(name);
  }

  private void beat(
      String name, @Nullable String status, @Nullable String incarnation, double now, String what) {
    Table.Step step = apply(new Event.Heartbeat(name, status, incarnation), now);
    Twin t = twins.get(name);
    boolean mine = t != null && t.isOf(incarnation);
    assertThat(step.lease() != null).as(what).isEqualTo(mine);
    boolean lives =
        t != null
            && t.fresh(now)
            && t.probe != Lease.Probe.UNHEALTHY
            && !t.status.equals("draining");
    assertThat(step.holder() != null).as(what).isEqualTo(t != null && !mine && lives);
    if (t != null && mine) {
      t.beat = now;
      t.status = status == null ? t.status : status;
    }
  }

  private void delete(String name, @Nullable String incarnation, double now, String what) {
    Twin t = twins.get(name);
    boolean mine = t != null && t.isOf(incarnation);
    assertThat(apply(new Event.Delete(name, incarnation), now).lease() != null)
        .as(what)
        .isEqualTo(mine);
    if (mine) {
      twins.remove(name);
      graves.put(name, now);
    }
  }

  /// A new table from the bytes that the old one wrote.
  private void restart(double now) throws IOException {
    JournalFormat.Replay replay =
        JournalFormat.replay(new ByteArrayInputStream(journal.toByteArray()));
    assertThat(replay.problem()).isNull();
    table =
        Table.EMPTY
            .apply(new Event.Restore(replay.entries(), replay.deleted()), Samples.at(now))
            .next();
    twins.values().forEach(t -> t.probe = Lease.Probe.UNKNOWN);
    journal.reset();
    table.records().forEach(r -> journal.writeBytes(JournalFormat.line(r)));
  }

  private void check(double now, String what) {
    assertThat(table.leases().keySet()).as(what).isEqualTo(twins.keySet());
    List<String> healthy = new ArrayList<>();
    List<String> wanted = new ArrayList<>();
    long bytes = 0;
    for (Lease l : table.all()) {
      bytes += l.sizeBytes();
      if (l.isHealthy(Samples.at(now))) {
        healthy.add(l.name());
      }
    }
    twins.forEach((name, t) -> {
      if (t.healthy(now)) {
        wanted.add(name);
      }
    });
    assertThat(healthy).as(what).isEqualTo(wanted);
    assertThat(table.bytes() - bytes).as(what).isEqualTo(160L * table.deleted().size());
    assertThat(Collections.disjoint(table.deleted().keySet(), twins.keySet())).as(what).isTrue();
    assertThat(graves.keySet()).as(what).containsAll(table.deleted().keySet());
  }
}
