package org.infinilm.svc.router;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// How it stands with what lists instances: the registry or etcd, the sources of `--discover`. A
/// change is an event with its cause. Thread-safe.
final class SourceBoard {
  static final String ETCD = "etcd";

  /// How a source is.
  enum State {
    /// It has said nothing yet.
    WAITING,
    /// What it said last was well.
    UP,
    /// It lists instances, and something is wrong; what it listed before holds.
    TROUBLED,
    /// It cannot be reached, or has never listed anything and cannot; what it listed holds.
    DOWN;

    String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /// How it stands with one source.
  ///
  /// @param source as it was given
  /// @param kind `registry`, `etcd`, `folder`, `dns`, `kubernetes`, `settings`, `admin`
  /// @param instances that it lists; null before its first word
  /// @param changed when they changed last; null before its first word
  /// @param heard when it last answered: listed something, or said that all is well; null when it
  ///   never did, or is not asked
  /// @param error what was wrong last; null when nothing ever was
  /// @param failed when that began; null likewise
  /// @param failures how often something began to be wrong
  /// @param troubles what is wrong now, one line each
  record Status(
      String source,
      String kind,
      State state,
      @Nullable Integer instances,
      @Nullable Instant changed,
      @Nullable Instant heard,
      @Nullable String error,
      @Nullable Instant failed,
      long failures,
      List<String> troubles) {
    private static final String NOT_FOR_ALL = "the router's log says which";

    Status {
      troubles = List.copyOf(troubles);
    }

    static Status waiting(String source, String kind) {
      return new Status(source, kind, State.WAITING, null, null, null, null, null, 0, List.of());
    }

    /// One that lists the same until somebody changes it.
    static Status fixed(String kind, int instances) {
      return new Status(kind, kind, State.UP, instances, null, null, null, null, 0, List.of());
    }

    /// Whether it is one of `--discover`.
    boolean isDiscovered() {
      return switch (kind) {
        case Known.REGISTRY, ETCD, Known.SETTINGS, Known.ADMIN -> false;
        default -> true;
      };
    }

    /// Seconds since it last answered; null when it never did.
    @Nullable Double ageSeconds(Instant now) {
      return heard == null ? null : (Double) seconds(heard, now);
    }

    private static double seconds(Instant from, Instant to) {
      return Math.max(0, Math.round(Duration.between(from, to).toMillis() / 100.0) / 10.0);
    }

    /// As `/readyz` tells it.
    ///
    /// @param whole whether what is wrong may be told
    Map<String, Object> briefly(boolean whole) {
      Map<String, Object> m = new HashMap<>();
      m.put("changed", changed == null ? null : changed.toString());
      m.put("instances", instances);
      m.put("source", source);
      m.put("troubles", whole || troubles.isEmpty() ? troubles : List.of(NOT_FOR_ALL));
      return m;
    }

    /// All of it.
    ///
    /// @param whole as above
    Map<String, Object> told(boolean whole, Instant now) {
      Map<String, Object> m = briefly(whole);
      m.put("age_seconds", ageSeconds(now));
      m.put("error", error == null || whole ? error : NOT_FOR_ALL);
      m.put("error_age_seconds", failed == null ? null : (Double) seconds(failed, now));
      m.put("failures", failures);
      m.put("kind", kind);
      m.put("state", state.word());
      return m;
    }
  }

  /// One source as it goes on. Its source's thread tells it.
  final class Track {
    private volatile Status status;

    private Track(String source, String kind) {
      this.status = Status.waiting(source, kind);
    }

    Status status() {
      return status;
    }

    /// It has listed so many.
    ///
    /// @param changed whether they are not those of before
    /// @param troubles what is wrong all the same
    void listed(int instances, boolean changed, List<String> troubles) {
      Status s = status;
      Instant now = ticker.now();
      next(
          troubles.isEmpty() ? State.UP : State.TROUBLED,
          instances,
          changed || s.changed() == null ? now : s.changed(),
          now,
          troubles);
    }

    /// It says what is wrong now; nothing when all is well.
    void troubles(List<String> troubles) {
      Status s = status;
      Instant now = ticker.now();
      Instant heard = troubles.isEmpty() ? now : s.heard();
      State state =
          !troubles.isEmpty()
              ? s.instances() == null ? State.DOWN : State.TROUBLED
              : s.instances() == null ? State.WAITING : State.UP;
      next(state, s.instances(), s.changed(), heard, troubles);
    }

    /// It cannot be reached.
    void away(String why) {
      Status s = status;
      next(State.DOWN, s.instances(), s.changed(), s.heard(), List.of(why));
    }

    private void next(
        State state,
        @Nullable Integer instances,
        @Nullable Instant changed,
        @Nullable Instant heard,
        List<String> troubles) {
      Status s = status;
      boolean fails = !troubles.isEmpty() && s.troubles().isEmpty();
      Status now =
          new Status(
              s.source(),
              s.kind(),
              state,
              instances,
              changed,
              heard,
              troubles.isEmpty() ? s.error() : troubles.getFirst(),
              fails ? ticker.now() : s.failed(),
              s.failures() + (fails ? 1 : 0),
              troubles);
      status = now;
      if (state != s.state() && (state != State.UP || s.state() != State.WAITING)) {
        happenings.source(
            s.source(), state, s.state(), troubles.isEmpty() ? "" : troubles.getFirst());
      }
    }
  }

  private final Happenings happenings;
  private final Ticker ticker;
  private final Map<String, Track> all = new LinkedHashMap<>();

  SourceBoard(Happenings happenings, Ticker ticker) {
    this.happenings = happenings;
    this.ticker = ticker;
  }

  /// Another source, once.
  synchronized Track track(String source, String kind) {
    return all.computeIfAbsent(source, s -> new Track(s, kind));
  }

  /// How it stands with all of them, in the order in which they came.
  synchronized List<Status> statuses() {
    return all.values().stream().map(Track::status).toList();
  }

  /// The same with what the settings and the admin list.
  ///
  /// @param kinds of the sources of all instances
  List<Status> statuses(List<String> kinds) {
    List<Status> out = new ArrayList<>(statuses());
    for (String fixed : List.of(Known.SETTINGS, Known.ADMIN)) {
      int n = (int) kinds.stream().filter(fixed::equals).count();
      if (n > 0) {
        out.add(Status.fixed(fixed, n));
      }
    }
    return List.copyOf(out);
  }
}
