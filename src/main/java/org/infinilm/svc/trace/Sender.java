package org.infinilm.svc.trace;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import io.opentelemetry.api.metrics.MeterProvider;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.common.ComponentLoader;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporterBuilder;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.common.export.HttpResponse;
import io.opentelemetry.sdk.common.export.HttpSender;
import io.opentelemetry.sdk.common.export.HttpSenderProvider;
import io.opentelemetry.sdk.common.export.MessageWriter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.IdGenerator;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertPathBuilderException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// Words spans for a receiver and sends them; all that is known of OpenTelemetry's SDK is known
/// here. For one thread.
/*
 * Spans are made when their work is over, with the times and ids that it had: the SDK neither measures nor draws.
 */
final class Sender implements AutoCloseable {
  private static final Duration CONNECT = Duration.ofSeconds(2);

  private static final int LONGEST_WORDS = 300;

  /// The SDK says itself what a receiver answers, with each try and to standard error: here it is
  /// heard instead. Kept, since a logger that nobody holds forgets what was set.
  private static final Logger SDK = Logger.getLogger("io.opentelemetry");

  private final Ids ids = new Ids();
  private final Ended ended = new Ended();
  private final Heard heard = new Heard();

  /// What the receiver said of the last message that it took; the SDK reads the answer of none.
  private volatile Taken taken = Taken.ALL;

  /// Why the last message came to no answer, of which the SDK tells nothing.
  private volatile @Nullable Throwable unsent;

  private final OtlpHttpSpanExporter exporter;
  private final SdkTracerProvider provider;
  private final Tracer tracer;

  /// Hands out the id that the next span is to have.
  private static final class Ids implements IdGenerator {
    String trace = "";
    String span = "";

    @Override
    public String generateTraceId() {
      return trace;
    }

    @Override
    public String generateSpanId() {
      return span;
    }
  }

  /// Keeps what the SDK said last, on whatever thread.
  private static final class Heard extends Handler {
    volatile @Nullable String last;

    @Override
    public void publish(LogRecord r) {
      last = r.getMessage();
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  /// Gathers spans until they are sent.
  private static final class Ended implements SpanProcessor {
    final List<SpanData> spans = new ArrayList<>();

    @Override
    public void onStart(Context parent, ReadWriteSpan span) {}

    @Override
    public boolean isStartRequired() {
      return false;
    }

    @Override
    public void onEnd(ReadableSpan span) {
      spans.add(span.toSpanData());
    }

    @Override
    public boolean isEndRequired() {
      return true;
    }
  }

  /// What became of a message.
  ///
  /// @param failure why it was not taken, or null when it was
  /// @param taken what of it was, when it was
  record Outcome(@Nullable String failure, Taken taken) {}

  Sender(TraceSettings settings, Duration timeout) {
    OtlpHttpSpanExporterBuilder to =
        OtlpHttpSpanExporter.builder()
            .setComponentLoader(new Listening())
            .setHeaders(settings::headers)
            .setEndpoint(settings.receiver().toString())
            .setTimeout(timeout)
            .setConnectTimeout(CONNECT)
            .setRetryPolicy(null)
            .setMeterProvider(MeterProvider.noop());
    if (settings.authorities() != null) {
      to.setTrustedCertificates(settings.authorities().getBytes(StandardCharsets.ISO_8859_1));
    }
    exporter = to.build();
    provider =
        SdkTracerProvider.builder()
            .setIdGenerator(ids)
            .setSampler(Sampler.alwaysOn())
            .setResource(Resource.getDefault().merge(Resource.create(attributes(settings))))
            .addSpanProcessor(ended)
            .build();
    tracer = provider.get("org.infinilm.svc");
    SDK.setUseParentHandlers(false);
    SDK.addHandler(heard);
  }

  private static Attributes attributes(TraceSettings settings) {
    AttributesBuilder b = Attributes.builder();
    settings.resource().forEach(b::put);
    return b.build();
  }

  /// Finds what the SDK looks for, its HTTP client with an ear at the answers.
  private final class Listening implements ComponentLoader {
    private final ComponentLoader all =
        ComponentLoader.forClassLoader(Sender.class.getClassLoader());

    @Override
    public <T> Iterable<T> load(Class<T> of) {
      if (!of.equals(HttpSenderProvider.class)) {
        return all.load(of);
      }
      List<T> out = new ArrayList<>();
      for (HttpSenderProvider p : all.load(HttpSenderProvider.class)) {
        HttpSenderProvider heard = config -> new Ear(p.createSender(config));
        out.add(of.cast(heard));
      }
      return out;
    }
  }

  /// Hears what a receiver answers; on threads of the client.
  private final class Ear implements HttpSender {
    private final HttpSender to;

    Ear(HttpSender to) {
      this.to = to;
    }

    @Override
    public void send(
        MessageWriter message, Consumer<HttpResponse> answer, Consumer<Throwable> error) {
      to.send(
          message,
          r -> {
            if (r.getStatusCode() / 100 == 2) {
              taken = Taken.of(r.getResponseBody());
            }
            answer.accept(r);
          },
          e -> {
            unsent = e;
            error.accept(e);
          });
    }

    @Override
    public CompletableResultCode shutdown() {
      return to.shutdown();
    }
  }

  /// Adds a span to those that go next.
  void add(Span s) {
    ids.trace = s.traceId();
    ids.span = s.id();
    SpanBuilder b =
        tracer
            .spanBuilder(s.name())
            .setSpanKind(
                switch (s.kind()) {
                  case SERVER -> SpanKind.SERVER;
                  case CLIENT -> SpanKind.CLIENT;
                  case INTERNAL -> SpanKind.INTERNAL;
                })
            .setStartTimestamp(s.startNanos(), TimeUnit.NANOSECONDS);
    String parent = s.parentId();
    if (parent == null) {
      b.setNoParent();
    } else {
      b.setParent(
          Context.root()
              .with(
                  io.opentelemetry.api.trace.Span.wrap(
                      SpanContext.createFromRemoteParent(
                          s.traceId(), parent, TraceFlags.getSampled(), TraceState.getDefault()))));
    }
    for (Map.Entry<String, @Nullable Object> a : s.attributes().entrySet()) {
      attribute(b, a.getKey(), a.getValue());
    }
    io.opentelemetry.api.trace.Span span = b.startSpan();
    if (s.error() != null) {
      span.setStatus(StatusCode.ERROR, s.error());
    }
    span.end(s.endNanos(), TimeUnit.NANOSECONDS);
  }

  private static void attribute(SpanBuilder b, String name, @Nullable Object value) {
    switch (value) {
      case null -> {}
      case Long n -> b.setAttribute(name, n);
      case Integer n -> b.setAttribute(name, n);
      case Double n -> b.setAttribute(name, n);
      case Boolean is -> b.setAttribute(name, is);
      default -> b.setAttribute(name, value.toString());
    }
  }

  /// Sends what was added; waits for the receiver's answer.
  Outcome send(Duration atMost) {
    List<SpanData> now = List.copyOf(ended.spans);
    ended.spans.clear();
    heard.last = null;
    taken = Taken.ALL;
    unsent = null;
    CompletableResultCode r = exporter.export(now).join(atMost.toMillis(), TimeUnit.MILLISECONDS);
    if (r.isSuccess()) {
      Taken t = taken;
      return new Outcome(null, new Taken(Math.min(t.rejected(), now.size()), words(t.words())));
    }
    Throwable none = unsent;
    Throwable why = r.getFailureThrowable();
    String words = heard.last;
    return new Outcome(
        !r.isDone()
            ? "no answer in time"
            : none != null
                ? words(unsent(none))
                : words != null ? words(words) : why == null ? "not taken" : said(why),
        Taken.ALL);
  }

  /// Why nothing was sent, in words that name a setting where one is to blame.
  private static String unsent(Throwable why) {
    String tls = null;
    for (Throwable t = why; t != null; t = t.getCause()) {
      if (t instanceof CertPathBuilderException) {
        return "its certificate is of no authority that is known here (expected: one of otlp_ca_file)";
      } else if (t instanceof UnresolvedAddressException || t instanceof UnknownHostException) {
        return "its host is not known";
      } else if (t instanceof SSLException) {
        tls = t.getMessage();
      }
    }
    return tls != null
        ? "TLS: " + tls
        : why instanceof ConnectException && why.getMessage() == null
            ? "no connection, refused"
            : said(why);
  }

  /// In one line.
  private static String words(String said) {
    String line = said.replaceAll("\\p{Cntrl}+", " ").strip();
    return line.length() > LONGEST_WORDS ? line.substring(0, LONGEST_WORDS) + "..." : line;
  }

  private static String said(Throwable why) {
    Throwable root = why;
    while (root.getMessage() == null && root.getCause() != null) {
      root = root.getCause();
    }
    return root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
  }

  @Override
  public void close() {
    provider.close();
    exporter.close();
    SDK.removeHandler(heard);
  }
}
