package org.infinilm.svc.router;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.trace.TraceContext;
import org.infinilm.svc.trace.TraceSettings;
import org.infinilm.svc.trace.Traces;
import org.jspecify.annotations.Nullable;

/// The trace of one request: what it is part of, what goes on to instances, and, where it is
/// recorded, when it waited and for whom it worked. Event-loop confined until it has ended, then
/// the thread's of [Traces].
/*
 * A client's decision is followed, unless told otherwise: what is not recorded passes as it came. Where none came, or none that
 * can be read, a trace begins here, and is told to instances also when it is not recorded, so that they do
 * not begin others.
 */
final class Trace {
  /// One attempt as it was.
  static final class Hop {
    final long id = TraceContext.id(ThreadLocalRandom.current());
    final String instance;
    final String host;
    final int port;
    final @Nullable String cacheType;
    final Pool pool;
    final Reason reason;
    long dispatchNanos;
    long firstByteNanos;
    long endNanos;

    /// 0 when it was never answered.
    int status;

    Failure.@Nullable Kind failure;
    boolean over;

    Hop(Attempt a) {
      Instance i = a.instance();
      instance = i.name();
      host = i.host();
      port = i.port();
      cacheType = i.cacheType() == null ? null : i.cacheType().label();
      pool = a.pool();
      reason = a.reason();
    }

    /// Notes its end, the first time.
    ///
    /// @param f how it failed, or null
    void ended(Attempt a, @Nullable Failure f, long nowNanos) {
      if (!over) {
        over = true;
        dispatchNanos = a.dispatchNanos();
        firstByteNanos = a.firstByteNanos();
        endNanos = nowNanos;
        ResponseHead head = a.head();
        status = head == null ? 0 : head.status();
        failure = f == null ? null : f.kind();
      }
    }
  }

  /// A time that it waited for a place.
  record Wait(long fromNanos, long toNanos) {}

  /// How it ended.
  ///
  /// @param startNanos of the ticker, as those of hops and waits
  /// @param nowNanos of its end
  /// @param now the same by the clock
  /// @param streamed whether a stream was asked for
  record End(
      Decision decision,
      long startNanos,
      long nowNanos,
      Instant now,
      boolean streamed,
      long maxTokens) {}

  private final Traces<Trace> to;
  private final TraceContext context;
  private final long spanId;
  private final boolean passes;
  private final boolean broken;
  private final String peer;
  private List<Hop> hops = List.of();
  private List<Wait> waits = List.of();
  private @Nullable End end;

  private Trace(
      Traces<Trace> to, TraceContext context, boolean passes, boolean broken, String peer) {
    this.to = to;
    this.context = context;
    this.spanId = TraceContext.id(ThreadLocalRandom.current());
    this.passes = passes;
    this.broken = broken;
    this.peer = peer;
  }

  static Trace begin(Traces<Trace> to, Inbound in) {
    String said = in.head().joined(TraceContext.FIELD);
    TraceContext of = said == null ? null : TraceContext.parse(said.strip());
    TraceSettings.Sampling sampling = to.sampling();
    if (of != null) {
      TraceContext here = sampling.follows() ? of : of.drawn(sampling.share());
      return new Trace(to, here, !here.sampled(), false, in.peer());
    }
    TraceContext root = TraceContext.root(sampling.share(), ThreadLocalRandom.current());
    return new Trace(to, root, false, said != null, in.peer());
  }

  /// What it is part of.
  TraceContext context() {
    return context;
  }

  /// Of the request's own span.
  long spanId() {
    return spanId;
  }

  /// Who sent it.
  String peer() {
    return peer;
  }

  List<Hop> hops() {
    return hops;
  }

  List<Wait> waits() {
    return waits;
  }

  /// How it ended.
  End end() {
    End e = end;
    if (e == null) {
      throw new IllegalStateException("not ended yet");
    }
    return e;
  }

  /// An attempt is about to be sent: says which fields it gets.
  void goes(Attempt a, List<Header> set, List<String> dropped) {
    if (passes) {
      return;
    }
    long from = spanId;
    if (context.sampled()) {
      Hop h = new Hop(a);
      a.traced(h);
      hops = with(hops, h);
      from = h.id;
    }
    set.add(new Header(TraceContext.FIELD, context.field(from)));
    if (broken) {
      // it belongs to what could not be read
      dropped.add(TraceContext.STATE);
    }
  }

  /// Its wait for a place is over.
  void waited(long fromNanos, long toNanos) {
    if (context.sampled()) {
      waits = with(waits, new Wait(fromNanos, toNanos));
    }
  }

  /// It is over, once.
  void ended(End e) {
    if (context.sampled()) {
      end = e;
      to.offer(this);
    }
  }

  private static <T> List<T> with(List<T> list, T more) {
    List<T> all = new ArrayList<>(list);
    all.add(more);
    return all;
  }
}
