package org.infinilm.svc.registry;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Everything that can change the table.
sealed interface Event {
  /// A registration; replaces an entry of the same name whole.
  record Register(Entry entry) implements Event {}

  /// New values for some fields; null keeps the old one.
  record Update(
      String name,
      @Nullable String host,
      @Nullable Integer port,
      @Nullable String hostname,
      @Nullable String url,
      @Nullable String status,
      @Nullable Map<String, Object> metadata,
      @Nullable Integer weight,
      @Nullable String incarnation)
      implements Event {
    Update(
        String name,
        @Nullable String host,
        @Nullable Integer port,
        @Nullable String hostname,
        @Nullable String url,
        @Nullable String status,
        @Nullable Map<String, Object> metadata,
        @Nullable Integer weight) {
      this(name, host, port, hostname, url, status, metadata, weight, null);
    }

    Entry over(Entry old) {
      return new Entry(
          old.name(),
          host == null ? old.host() : host,
          port == null ? old.port() : port,
          hostname == null ? old.hostname() : hostname,
          url == null ? old.url() : url,
          status == null ? old.status() : status,
          metadata == null ? old.metadata() : metadata,
          weight == null ? old.weight() : weight,
          incarnation == null && makesItAnother(old) ? altered(old) : old.incarnation());
    }

    private boolean makesItAnother(Entry old) {
      return (host != null && !host.equals(old.host()))
          || (port != null && port != old.port())
          || (url != null && !url.equals(old.url()))
          || (metadata != null && !metadata.equals(old.metadata()));
    }

    private static @Nullable String altered(Entry old) {
      return old.incarnation() == null ? null : Entry.ALTERED;
    }
  }

  /// @param incarnation whose lease it is to renew; null for whoever has the name
  record Heartbeat(String name, @Nullable String status, @Nullable String incarnation)
      implements Event {
    Heartbeat(String name, @Nullable String status) {
      this(name, status, null);
    }
  }

  record Delete(String name, @Nullable String incarnation) implements Event {
    Delete(String name) {
      this(name, null);
    }
  }

  /// The result of a probe of the entry as it was at `serial`.
  record Probed(String name, long serial, boolean healthy) implements Event {}

  /// Time has passed: heartbeats may have gone stale.
  record Aged() implements Event {}

  /// The clean-up tick: removes entries without a heartbeat for 300 s and old tombstones.
  record CleanUp() implements Event {}

  /// An entry as it stands in a store that several registries share.
  ///
  /// @param anew whether it was registered since it was last heard of, not only changed
  /// @param age of its last sign of life
  record Learned(Entry entry, Instant registeredAt, boolean anew, Duration age) implements Event {}

  /// An entry is gone from a shared store.
  record Lost(String name) implements Event {}

  /// A shared store says that a name was removed by DELETE.
  record Buried(String name, Instant at) implements Event {}

  /// A shared store has forgotten such a name.
  record Forgotten(String name) implements Event {}

  /// Heartbeats that another registry of a shared store got.
  record Heard(Set<String> names) implements Event {}

  /// Several at once: no reader sees what is between them.
  record Together(List<Event> events) implements Event {}

  /// What the journal held when the registry started.
  record Restore(List<Stored> entries, Map<String, Instant> deleted) implements Event {}

  /// One entry as stored; its age counts from `heartbeatAt` on the wall clock.
  record Stored(Entry entry, Instant registeredAt, Instant heartbeatAt) {}
}
