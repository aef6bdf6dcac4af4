package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A page in Prometheus' text format, read strictly: a sample without the type of its family, a
/// series that comes twice and a histogram whose buckets fall are errors.
record MetricsPage(Map<String, String> types, Map<String, Double> samples) {
  private static final Pattern SAMPLE =
      Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{(.*)})? (\\S+)");
  private static final Pattern LABELS =
      Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\n]|\\\\.)*\"(,|$))+");

  static MetricsPage read(String text) {
    assertThat(text).endsWith("\n");
    Map<String, String> types = new HashMap<>();
    Map<String, Double> samples = new HashMap<>();
    for (String line : text.split("\n")) {
      if (line.startsWith("# TYPE ")) {
        String[] words = line.split(" ");
        assertThat(words).as(line).hasSize(4);
        assertThat(types.put(words[2], words[3])).as(line + " comes twice").isNull();
      } else if (!line.startsWith("# HELP ")) {
        Matcher m = SAMPLE.matcher(line);
        assertThat(m.matches()).as(line).isTrue();
        if (m.group(3) != null) {
          assertThat(LABELS.matcher(m.group(3)).matches()).as(line).isTrue();
        }
        assertThat(types).as(line).containsKey(family(m.group(1), types));
        double value = Double.parseDouble(m.group(4).replace("+Inf", "Infinity"));
        assertThat(samples.put(line.substring(0, line.lastIndexOf(' ')), value))
            .as(line + " comes twice")
            .isNull();
      }
    }
    MetricsPage page = new MetricsPage(Map.copyOf(types), Map.copyOf(samples));
    types.forEach((name, type) -> {
      if (type.equals("histogram")) {
        page.checkBuckets(name);
      }
    });
    return page;
  }

  private static String family(String sample, Map<String, String> types) {
    for (String end : List.of("_bucket", "_sum", "_count")) {
      String stem = sample.endsWith(end) ? sample.substring(0, sample.length() - end.length()) : "";
      if ("histogram".equals(types.get(stem))) {
        return stem;
      }
    }
    return sample;
  }

  /// The buckets of a histogram with one series, in the order of their bounds.
  private void checkBuckets(String name) {
    Map<Double, Double> byBound = new java.util.TreeMap<>();
    samples.forEach((series, value) -> {
      if (series.startsWith(name + "_bucket{")) {
        String bound = series.replaceAll(".*le=\"([^\"]*)\".*", "$1");
        byBound.put(Double.parseDouble(bound.replace("+Inf", "Infinity")), value);
      }
    });
    List<Double> counts = new ArrayList<>(byBound.values());
    assertThat(counts).as(name).isSorted().isNotEmpty();
    assertThat(counts.getLast()).as(name).isEqualTo(value(name + "_count"));
    assertThat(byBound).as(name).containsKey(Double.POSITIVE_INFINITY);
  }

  String type(String family) {
    return Objects.requireNonNull(types.get(family), family);
  }

  /// The value of the one series of this name, or of the one with these labels.
  double value(String series) {
    List<Double> found = new ArrayList<>();
    samples.forEach((key, value) -> {
      if (key.equals(series) || key.startsWith(series + "{")) {
        found.add(value);
      }
    });
    assertThat(found).as(series).hasSize(1);
    return found.getFirst();
  }
}
