package org.infinilm.svc.router;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.trace.Span;
import org.infinilm.svc.trace.Span.Kind;
import org.infinilm.svc.trace.TraceContext;
import org.infinilm.svc.trace.Traces;
import org.jspecify.annotations.Nullable;

/// A request as spans: one of its own, and below it one for each wait for a place, for each attempt
/// and for the stream of its answer. Names and numbers, never text. Stateless.
/*
 * Names are OpenTelemetry's (HTTP, and GenAI of 2026, status development), and infini.* for what they have
 * none for. Tokens are told by the attempt that answered alone: who sums them over spans counts them once.
 */
final class TraceWords implements Traces.Words<Trace> {
  private static final double NANOS = 1e9;

  @Override
  public List<Span> spans(Trace t) {
    Trace.End e = t.end();
    List<Span> out = new ArrayList<>();
    out.add(request(t, e));
    for (Trace.Wait w : t.waits()) {
      out.add(inner(t, e, "queue", w.fromNanos(), w.toNanos(), Map.of()));
    }
    List<Trace.Hop> hops = t.hops();
    for (int k = 0; k < hops.size(); k++) {
      out.add(attempt(t, e, hops.get(k), k + 1, k == hops.size() - 1));
    }
    Trace.Hop last = hops.isEmpty() ? null : hops.getLast();
    if (e.streamed() && last != null && last.firstByteNanos != 0) {
      Map<String, @Nullable Object> m = new HashMap<>();
      m.put("infini.events", e.decision().events());
      m.put("infini.response_bytes", e.decision().responseBytes());
      out.add(inner(t, e, "stream", last.firstByteNanos, e.nowNanos(), m));
    }
    return out;
  }

  private static Span request(Trace t, Trace.End e) {
    Decision d = e.decision();
    String model = d.modelAsked();
    Map<String, @Nullable Object> m = new HashMap<>();
    Route route = Route.of(d.path());
    m.put("http.request.method", d.method());
    m.put("http.response.status_code", d.status());
    m.put("http.route", route == Route.OTHER ? null : d.path());
    m.put("url.path", d.path());
    m.put("client.address", t.peer());
    m.put("gen_ai.operation.name", operation(route));
    m.put("gen_ai.request.model", model);
    m.put("infini.request_id", d.requestId());
    m.put("infini.outcome", d.outcome().label());
    m.put("infini.attempts", d.attempts());
    m.put("infini.instance", d.instance());
    m.put("infini.pool", d.pool() == null ? null : d.pool().label());
    m.put("infini.reason", d.reason() == null ? null : d.reason().label());
    m.put("infini.size", d.size());
    m.put("infini.threshold", d.threshold() == 0 ? null : d.threshold());
    m.put("infini.queue_ms", d.queueNanos() / 1e6);
    m.put("infini.ttft_ms", d.ttftNanos() == 0 ? null : d.ttftNanos() / 1e6);
    m.put("infini.key", d.key());
    Decisions.Said said = d.said();
    String type =
        said != null ? said.code() : d.status() >= 400 ? String.valueOf(d.status()) : null;
    m.put("error.type", type);
    boolean failed = Figures.isError(d.outcome()) || d.status() >= 500;
    return new Span(
        t.context().traceId(),
        TraceContext.spanId(t.spanId()),
        t.context().parentId() == 0 ? null : TraceContext.spanId(t.context().parentId()),
        Kind.SERVER,
        route == Route.OTHER ? d.method() : d.method() + " " + d.path(),
        epoch(e, e.startNanos()),
        epoch(e, e.nowNanos()),
        m,
        !failed ? null : said == null ? d.outcome().label() : said.message());
  }

  private static Span attempt(Trace t, Trace.End e, Trace.Hop h, int number, boolean last) {
    Decision d = e.decision();
    Route route = Route.of(d.path());
    String operation = operation(route);
    String type =
        h.failure != null
            ? h.failure.name().toLowerCase(Locale.ROOT)
            : h.status >= 400 ? String.valueOf(h.status) : null;
    Map<String, @Nullable Object> m = new HashMap<>();
    m.put("http.request.method", d.method());
    m.put("http.response.status_code", h.status == 0 ? null : h.status);
    m.put("server.address", h.host);
    m.put("server.port", h.port);
    m.put("error.type", type);
    m.put("gen_ai.operation.name", operation);
    m.put("gen_ai.provider.name", operation == null ? null : provider(route));
    m.put("gen_ai.request.model", d.model().isEmpty() ? null : d.model());
    m.put("gen_ai.request.stream", operation == null ? null : e.streamed());
    m.put("gen_ai.request.max_tokens", e.maxTokens() == 0 ? null : e.maxTokens());
    if (e.streamed() && h.firstByteNanos != 0) {
      m.put("gen_ai.response.time_to_first_chunk", (h.firstByteNanos - h.dispatchNanos) / NANOS);
    }
    Usage u = last ? d.usage() : null;
    if (u != null) {
      m.put("gen_ai.usage.input_tokens", u.promptTokens() == 0 ? null : u.promptTokens());
      m.put("gen_ai.usage.output_tokens", u.completionTokens());
      m.put("gen_ai.usage.cache_read.input_tokens", u.cachedTokens());
    }
    m.put("infini.attempt", number);
    m.put("infini.instance", h.instance);
    m.put("infini.pool", h.pool.label());
    m.put("infini.cache_type", h.cacheType);
    m.put("infini.reason", h.reason.label());
    long start = h.dispatchNanos == 0 ? h.endNanos : h.dispatchNanos;
    return new Span(
        t.context().traceId(),
        TraceContext.spanId(h.id),
        TraceContext.spanId(t.spanId()),
        Kind.CLIENT,
        operation == null ? d.method() : (operation + " " + d.model()).strip(),
        epoch(e, start),
        epoch(e, h.endNanos),
        m,
        type);
  }

  private static Span inner(
      Trace t, Trace.End e, String name, long from, long to, Map<String, @Nullable Object> m) {
    return new Span(
        t.context().traceId(),
        TraceContext.spanId(TraceContext.id(ThreadLocalRandom.current())),
        TraceContext.spanId(t.spanId()),
        Kind.INTERNAL,
        name,
        epoch(e, from),
        epoch(e, to),
        m,
        null);
  }

  /// Nanoseconds since 1970 at a time of the ticker.
  private static long epoch(Trace.End e, long nanos) {
    return ChronoUnit.NANOS.between(Instant.EPOCH, e.now()) - (e.nowNanos() - nanos);
  }

  private static @Nullable String operation(Route route) {
    return switch (route) {
      case CHAT, MESSAGES, RESPONSES -> "chat";
      case COMPLETIONS -> "text_completion";
      case EMBEDDINGS -> "embeddings";
      default -> null;
    };
  }

  /// Whose form the request has: what is behind it is not known.
  private static String provider(Route route) {
    return route == Route.MESSAGES ? "anthropic" : "openai";
  }

  /// Shows what becomes of traces.
  static void follow(Metrics metrics, Traces<Trace> t) {
    metrics.counter(
        "infini_router_traces_total",
        "Traces that were sent, dropped because their queue was full or the receiver rejected their spans, or not taken by the receiver.",
        c -> {
          c.call((double) t.counts().sent(), "sent");
          c.call((double) t.counts().dropped(), "dropped");
          c.call((double) t.counts().failed(), "failed");
        },
        "result");
    metrics.counter(
        "infini_router_trace_spans_rejected_total",
        "Spans that the receiver rejected in messages that it took.",
        c -> c.call((double) t.counts().rejectedSpans()));
    metrics.gauge(
        "infini_router_traces_up",
        "1 while the receiver of traces takes them.",
        c -> c.call(t.up() ? 1 : 0));
  }
}
