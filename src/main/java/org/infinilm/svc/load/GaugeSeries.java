package org.infinilm.svc.load;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.infinilm.svc.telemetry.GaugeReading;

/// The readings of one engine through a run, in memory that is bounded: when it is full, every
/// second reading goes and half as many are taken. Thread-safe.
final class GaugeSeries {
  static final int MOST = 4096;

  private final String name;
  private final double[] seconds = new double[MOST];
  private final GaugeReading[] readings = new GaugeReading[MOST];
  private int count;
  private int every = 1;
  private int offered;

  GaugeSeries(String name) {
    this.name = name;
  }

  /// @param at seconds after the start of the run
  synchronized void add(double at, GaugeReading r) {
    if (offered++ % every != 0) {
      return;
    }
    if (count == MOST) {
      for (int k = 0; k < MOST / 2; k++) {
        seconds[k] = seconds[2 * k];
        readings[k] = readings[2 * k];
      }
      count = MOST / 2;
      every *= 2;
    }
    seconds[count] = at;
    readings[count++] = r;
  }

  synchronized int count() {
    return count;
  }

  /// One line on the readings from `from` on; what is not said is left out.
  ///
  /// @param from seconds after the start of the run
  synchronized String line(double from) {
    int begin = 0;
    while (begin < count && seconds[begin] < from) {
      begin++;
    }
    if (begin == count) {
      return name + ": no gauges of an engine that is known";
    }
    return name
        + " ("
        + readings[begin].engine()
        + ", "
        + (count - begin)
        + " readings): "
        + stats("running", begin, GaugeReading::running, 1, "")
        + stats(", waiting", begin, GaugeReading::waiting, 1, "")
        + stats(", KV cache", begin, GaugeReading::cacheUsage, 100, " %");
  }

  private String stats(
      String what, int begin, ToDoubleFunction<GaugeReading> value, double scale, String unit) {
    double[] v =
        Arrays.stream(readings, begin, count)
            .mapToDouble(value)
            .filter(Double::isFinite)
            .map(x -> x * scale)
            .toArray();
    return v.length == 0
        ? ""
        : String.format(
            Locale.ROOT,
            "%s mean %.1f%s, most %.0f%s",
            what,
            Arrays.stream(v).average().orElse(0),
            unit,
            Arrays.stream(v).max().orElse(0),
            unit);
  }

  synchronized void write(JsonGenerator g) throws IOException {
    g.writeObjectFieldStart(name);
    if (count == 0) {
      g.writeNullField("engine");
    } else {
      g.writeStringField("engine", readings[0].engine());
    }
    g.writeArrayFieldStart("t_s");
    for (int k = 0; k < count; k++) {
      g.writeNumber(Math.round(seconds[k] * 1e3) / 1e3);
    }
    g.writeEndArray();
    array(g, "running", GaugeReading::running);
    array(g, "waiting", GaugeReading::waiting);
    array(g, "kv_usage", GaugeReading::cacheUsage);
    g.writeEndObject();
  }

  private void array(JsonGenerator g, String key, ToDoubleFunction<GaugeReading> value)
      throws IOException {
    g.writeArrayFieldStart(key);
    for (int k = 0; k < count; k++) {
      double v = value.applyAsDouble(readings[k]);
      if (Double.isFinite(v)) {
        g.writeNumber(v);
      } else {
        g.writeNull();
      }
    }
    g.writeEndArray();
  }
}
