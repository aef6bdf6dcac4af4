package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Routers' notes in etcd: written here under a lease for each run, heard of by the watch.
/// Thread-safe.
final class EtcdNotes {
  private static final Logger log = LoggerFactory.getLogger(EtcdNotes.class);
  private static final Duration KEEP = Duration.ofSeconds(3);
  private static final Duration PATIENCE = Duration.ofSeconds(3);

  /// What one run has written by us.
  private static final class Mine {
    long lease;
    long keptNanos;
    final Map<String, byte[]> notes = new HashMap<>();
  }

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final Ticker ticker;
  private final Notes board;
  private final Map<String, Mine> runs = new ConcurrentHashMap<>();

  EtcdNotes(Etcd etcd, EtcdKeys keys, String boot, Ticker ticker) {
    this.etcd = etcd;
    this.keys = keys;
    this.ticker = ticker;
    this.board = new Notes(boot);
  }

  Notes board() {
    return board;
  }

  /// Writes notes of a run; whatever it wrote before stays as long as it comes again in time.
  void write(String run, Map<String, byte[]> notes) throws EtcdFailure, InterruptedException {
    runs.values().removeIf(m -> isSilent(m) && !m.notes.isEmpty());
    Mine m = runs.computeIfAbsent(run, r -> new Mine());
    synchronized (m) {
      m.notes.putAll(notes);
      try {
        Map<String, byte[]> due = notes;
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
          due = m.notes;
        }
        for (Map.Entry<String, byte[]> e : due.entrySet()) {
          etcd.put(new Op.Put(keys.note(run, e.getKey()), e.getValue(), m.lease), PATIENCE);
        }
      } catch (EtcdFailure e) {
        if (e.kind() == EtcdFailure.Kind.NO_SUCH_LEASE) {
          m.lease = 0;
        }
        throw e;
      }
    }
  }

  private boolean isSilent(Mine m) {
    return ticker.nanos() - m.keptNanos > PeerBoard.LEASE.multipliedBy(3).toNanos();
  }

  void remove(String run) throws EtcdFailure, InterruptedException {
    Mine m = runs.remove(run);
    if (m != null && m.lease != 0) {
      etcd.revoke(m.lease, PATIENCE);
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
      }
    } catch (Refused | JsonProcessingException e) {
      log.debug("etcd key {} is ignored: {}", kv.key(), e.getMessage());
    }
  }
}
