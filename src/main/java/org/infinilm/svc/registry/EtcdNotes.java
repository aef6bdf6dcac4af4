package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.etcd.BackOff;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Routers' notes in etcd: written here under a lease for each run, heard of by the watch.
/// Thread-safe.
final class EtcdNotes {
  private static final Logger log = LoggerFactory.getLogger(EtcdNotes.class);
  private static final Duration KEEP = Duration.ofSeconds(3);
  private static final Duration PATIENCE = Duration.ofSeconds(3);

  /// What a run wrote is kept here for so long after its last word, to be written again.
  private static final Duration FORGOTTEN = PeerBoard.LEASE.multipliedBy(3);

  /// What may not be written is tried so seldom at last.
  private static final Duration MOST_BETWEEN_REFUSALS = Duration.ofSeconds(30);

  /// Of a run that has nothing to say: that it lives.
  static final Map<String, byte[]> PULSE = Map.of("pulse", Json.bytes(Map.of()));

  /// What one run has written by us; under its lock, but for when it was kept last.
  private static final class Mine {
    long lease;

    /// Whether the run has left: what it still writes is another's.
    boolean over;

    volatile long keptNanos;

    /// Of all its notes.
    volatile long bytes;

    final Map<String, byte[]> notes = new HashMap<>();

    /// The kinds that do not stand in etcd as they are here.
    final Set<String> due = new HashSet<>();

    Mine(long nowNanos) {
      keptNanos = nowNanos;
    }
  }

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final Ticker ticker;
  private final Notes board;
  private final Map<String, Mine> runs = new ConcurrentHashMap<>();
  private final BackOff refusals;

  /// Why etcd takes no notes from us.
  private volatile @Nullable EtcdFailure denied;

  /// Whether it was said that there are too many runs, and that a note is none.
  private final AtomicBoolean manyTold = new AtomicBoolean();

  private final AtomicBoolean noneTold = new AtomicBoolean();

  EtcdNotes(Etcd etcd, EtcdKeys keys, String boot, Ticker ticker) {
    this.etcd = etcd;
    this.keys = keys;
    this.ticker = ticker;
    this.board = new Notes(boot);
    this.refusals = new BackOff(PeerBoard.LEASE.dividedBy(10), MOST_BETWEEN_REFUSALS, ticker);
  }

  /// [PeerBoard#exchange]: who lives is what etcd says, the asking run beside it for
  /// [PeerBoard#LEASE] although its first note may still be on its way back.
  PeerBoard.Answer exchange(String run, Map<String, byte[]> notes, String since)
      throws EtcdFailure, Refused, InterruptedException {
    long now = ticker.nanos();
    board.forgetBare(now - PeerBoard.LEASE.toNanos());
    board.heard(run, now);
    write(run, notes);
    return board.since(since);
  }

  /// Writes notes of a run; whatever it wrote before stays as long as it comes again in time.
  ///
  /// @throws Refused when it is more than a board takes ([Notes#requireRoom]); what fits is
  ///   written, and the run lives on
  void write(String run, Map<String, byte[]> notes)
      throws EtcdFailure, Refused, InterruptedException {
    EtcdFailure before = denied;
    if (before != null && refusals.isPause()) {
      throw before.again();
    }
    long now = ticker.nanos();
    runs.values().removeIf(m -> now - m.keptNanos > FORGOTTEN.toNanos());
    while (!written(run, notes, runs.computeIfAbsent(run, r -> new Mine(now)))) {
      // it left just before
    }
  }

  /// Takes the notes that a board would, the small ones first.
  ///
  /// @return why not all of them
  private @Nullable Refused take(Mine m, Map<String, byte[]> notes) {
    long others = runs.values().stream().filter(o -> o != m).mapToLong(o -> o.bytes).sum();
    Refused tooMuch = null;
    for (Map.Entry<String, byte[]> n :
        notes.entrySet().stream()
            .sorted(Comparator.comparingInt(n -> n.getValue().length))
            .toList()) {
      Map<String, byte[]> all = new HashMap<>(m.notes);
      all.put(n.getKey(), n.getValue());
      try {
        m.bytes = Notes.requireRoom(all, others);
        m.notes.put(n.getKey(), n.getValue());
        m.due.add(n.getKey());
      } catch (Refused e) {
        tooMuch = e;
      }
    }
    return tooMuch;
  }

  /// @return false when that run has left meanwhile
  private boolean written(String run, Map<String, byte[]> notes, Mine m)
      throws EtcdFailure, Refused, InterruptedException {
    synchronized (m) {
      if (m.over) {
        return false;
      }
      Refused tooMuch = take(m, notes.isEmpty() && m.notes.isEmpty() ? PULSE : notes);
      if (tooMuch != null && m.notes.isEmpty()) {
        throw tooMuch;
      }
      try {
        if (m.lease != 0 && ticker.nanos() - m.keptNanos >= KEEP.toNanos()) {
          long asked = ticker.nanos();
          if (etcd.keepAlive(List.of(m.lease), PATIENCE).isEmpty()) {
            m.lease = 0;
          } else {
            m.keptNanos = asked;
          }
        }
        if (m.lease == 0) {
          m.keptNanos = ticker.nanos();
          m.lease = etcd.grant(PeerBoard.LEASE, PATIENCE);
          m.due.addAll(m.notes.keySet());
        }
        for (String kind : List.copyOf(m.due)) {
          byte[] value = m.notes.getOrDefault(kind, new byte[0]);
          etcd.put(new Op.Put(keys.note(run, kind), value, m.lease), PATIENCE);
          m.due.remove(kind);
          denied = null;
          refusals.taken();
        }
        if (tooMuch != null) {
          throw tooMuch;
        }
        return true;
      } catch (EtcdFailure e) {
        if (e.kind() == EtcdFailure.Kind.NO_SUCH_LEASE) {
          m.lease = 0;
        } else if (e.kind() == EtcdFailure.Kind.DENIED) {
          denied = e;
          refusals.refused();
        }
        throw e;
      }
    }
  }

  /// Removes a run; what it is writing meanwhile goes too.
  void remove(String run) throws EtcdFailure, InterruptedException {
    Mine m = runs.remove(run);
    long lease = 0;
    if (m != null) {
      synchronized (m) {
        m.over = true;
        lease = m.lease;
      }
    }
    Set<String> kinds = board.remove(run);
    if (lease != 0) {
      etcd.revoke(lease, PATIENCE);
    }
    for (String kind : kinds) {
      // what it wrote at another registry
      etcd.delete(keys.note(run, kind), PATIENCE);
    }
  }

  /// All notes that stand in etcd.
  void listed(List<KeyValue> all) {
    Set<String> live = new TreeSet<>();
    for (KeyValue kv : all) {
      EtcdKeys.Named n = keys.named(kv.key());
      if (n.kind() == EtcdKeys.Kind.ROUTER) {
        live.add(EtcdKeys.run(n.name()));
        put(n.name(), kv);
      }
    }
    board.retain(live);
  }

  void heard(List<Etcd.Change> changes) {
    for (Etcd.Change c : changes) {
      EtcdKeys.Named n = keys.named(c.key().key());
      if (n.kind() == EtcdKeys.Kind.ROUTER && c.deleted()) {
        board.remove(EtcdKeys.run(n.name()), EtcdKeys.noteKind(n.name()));
      } else if (n.kind() == EtcdKeys.Kind.ROUTER) {
        put(n.name(), c.key());
      }
    }
  }

  private void put(String name, KeyValue kv) {
    try {
      JsonNode v = Json.tree(kv.value());
      if (v.isObject() && kv.lease() != 0) {
        board.heard(EtcdKeys.run(name), ticker.nanos());
        board.put(EtcdKeys.run(name), EtcdKeys.noteKind(name), Json.plain(v));
      } else {
        ignored(kv, noneTold, "no JSON object under a lease");
      }
    } catch (JsonProcessingException e) {
      ignored(kv, noneTold, "no JSON: " + Json.wrong(e));
    } catch (Refused e) {
      ignored(kv, e.status() == 507 ? manyTold : noneTold, e.getMessage());
    }
  }

  /// Notes come each second: of each reason the first is named.
  private static void ignored(KeyValue kv, AtomicBoolean told, @Nullable String why) {
    if (told.getAndSet(true)) {
      log.debug("etcd key {} is ignored: {}", kv.key(), why);
    } else {
      log.warn("etcd key {} is ignored, as are others like it: {}", kv.key(), why);
    }
  }
}
