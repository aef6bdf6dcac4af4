package org.infinilm.svc.telemetry;

import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Info;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricMetadata;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;

/// The metrics of one program, in Prometheus text format. Recording never allocates once a label
/// set's data point is held (`counter.labelValues(...)` returns it): hold the data points of hot
/// paths.
public final class Metrics {
  private final PrometheusRegistry registry = new PrometheusRegistry();

  public static final String CONTENT_TYPE = PrometheusTextFormatWriter.CONTENT_TYPE;

  /// A counter; `name` ends in `_total`.
  public Counter counter(String name, String help, String... labels) {
    return Counter.builder()
        .name(name)
        .help(help)
        .labelNames(labels)
        .withoutExemplars()
        .register(registry);
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
        .withoutExemplars()
        .classicUpperBounds(bounds)
        .register(registry);
  }

  /// One histogram that is kept elsewhere.
  ///
  /// @param labels values, in the order of the names
  /// @param counts by bucket, one more than there are bounds
  public record Kept(List<String> labels, long[] counts, double sum) {}

  /// A histogram that is kept elsewhere and read when scraped.
  ///
  /// @param bounds upper bounds of its buckets, without the last
  public void histogram(
      String name, String help, double[] bounds, Supplier<List<Kept>> read, String... labels) {
    double[] all = Arrays.copyOf(bounds, bounds.length + 1);
    all[bounds.length] = Double.POSITIVE_INFINITY;
    MetricMetadata what = new MetricMetadata(name, help);
    registry.register(
        new Collector() {
          @Override
          public MetricSnapshot collect() {
            List<HistogramDataPointSnapshot> points = new ArrayList<>();
            for (Kept k : read.get()) {
              points.add(
                  HistogramDataPointSnapshot.builder()
                      .labels(Labels.of(labels, k.labels().toArray(String[]::new)))
                      .classicHistogramBuckets(ClassicHistogramBuckets.of(all, k.counts()))
                      .sum(k.sum())
                      .build());
            }
            return new HistogramSnapshot(what, points);
          }

          @Override
          public String getPrometheusName() {
            return name;
          }
        });
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
