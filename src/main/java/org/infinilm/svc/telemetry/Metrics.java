package org.infinilm.svc.telemetry;

import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Info;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.function.Consumer;

/// The metrics of one program, in Prometheus text format. Recording never allocates once a label
/// set's data point is held (`counter.labelValues(...)` returns it): hold the data points of hot
/// paths.
public final class Metrics {
  private final PrometheusRegistry registry = new PrometheusRegistry();

  public static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;

  /// A counter; `name` ends in `_total`.
  public Counter counter(String name, String help, String... labels) {
    return Counter.builder().name(name).help(help).labelNames(labels).register(registry);
  }

  public Gauge gauge(String name, String help, String... labels) {
    return Gauge.builder().name(name).help(help).labelNames(labels).register(registry);
  }

  /// A gauge whose values are read when scraped.
  public void gauge(
      String name, String help, Consumer<GaugeWithCallback.Callback> read, String... labels) {
    GaugeWithCallback.builder()
        .name(name)
        .help(help)
        .labelNames(labels)
        .callback(read)
        .register(registry);
  }

  /// A counter that is kept elsewhere and read when scraped; `name` ends in `_total`.
  public void counter(
      String name, String help, Consumer<CounterWithCallback.Callback> read, String... labels) {
    CounterWithCallback.builder()
        .name(name)
        .help(help)
        .labelNames(labels)
        .callback(read)
        .register(registry);
  }

  /// A constant: `name` without its `_info`, and the labels that say it.
  public void info(String name, String help, Map<String, String> labels) {
    Info.builder()
        .name(name)
        .help(help)
        .labelNames(labels.keySet().toArray(String[]::new))
        .register(registry)
        .setLabelValues(labels.values().toArray(String[]::new));
  }

  /// A histogram with the given upper bounds.
  public Histogram histogram(String name, String help, double[] bounds, String... labels) {
    return Histogram.builder()
        .name(name)
        .help(help)
        .labelNames(labels)
        .classicOnly()
        .classicUpperBounds(bounds)
        .register(registry);
  }

  /// Everything, as `/metrics` serves it.
  public byte[] scrape() {
    ByteArrayOutputStream out = new ByteArrayOutputStream(8192);
    try {
      PrometheusTextFormatWriter.create().write(out, registry.scrape(), EscapingScheme.DEFAULT);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }
}
