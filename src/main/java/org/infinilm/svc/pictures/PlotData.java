package org.infinilm.svc.pictures;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultRequest;
import org.infinilm.svc.results.ResultRouting;
import org.infinilm.svc.results.TimeKind;

/// What the charts show, taken from the requests of one or several results. Pure.
///
/// @param groups the series: pools of one result, or the results themselves
/// @param bytes whether the size of a request is its body's bytes; else its prompt tokens
/// @param threshold in bytes; -1 when there is none to draw
record PlotData(List<Group> groups, boolean bytes, long threshold) {
  /// Points of one scatter, bars of one timeline; more are thinned out evenly.
  static final int MOST_POINTS = 2000;

  static final int MOST_STEPS = 400;

  /// @param color place in the palette, the same in every chart
  record Group(String name, int color, List<ResultRequest> requests) {}

  /// Points of one group, in its order.
  ///
  /// @param of how many there were before thinning
  record Points(Group group, double[] x, double[] y, int of) {}

  /// One request on a row of the timeline.
  ///
  /// @param lane place within its instance's row, from 0
  record Span(double startS, double endS, int row, int lane, int color, boolean failed) {}

  /// @param lanes of each row; at least 1
  /// @param of how many requests there were before thinning
  record Timeline(List<String> rows, int[] lanes, List<Span> spans, int of) {}

  static PlotData of(List<ResultFile> files) {
    List<Group> groups = new ArrayList<>();
    boolean bytes =
        files.stream().flatMap(f -> f.requests().stream()).anyMatch(r -> r.sizeBytes() >= 0);
    if (files.size() == 1) {
      Map<String, List<ResultRequest>> byPool = new LinkedHashMap<>();
      for (ResultRequest r : files.getFirst().requests()) {
        byPool.computeIfAbsent(pool(r), k -> new ArrayList<>()).add(r);
      }
      byPool.entrySet().stream()
          .sorted(Comparator.comparingInt(e -> poolColor(e.getKey())))
          .forEach(e -> groups.add(new Group(e.getKey(), poolColor(e.getKey()), e.getValue())));
    } else {
      for (ResultFile f : files) {
        groups.add(new Group(name(f, files), groups.size(), f.requests()));
      }
    }
    long threshold =
        files.stream()
            .flatMap(f -> f.routing().stream())
            .filter(r -> r.metric().equals("body"))
            .mapToLong(ResultRouting::threshold)
            .max()
            .orElse(-1);
    return new PlotData(groups, bytes, threshold);
  }

  static String pool(ResultRequest r) {
    return r.pool().isEmpty() ? "pool not told" : r.pool();
  }

  /// Paged, static and the others keep their colour in every picture.
  static int poolColor(String pool) {
    return switch (pool) {
      case "paged" -> 0;
      case "static" -> 1;
      case "any" -> 2;
      default -> 5;
    };
  }

  /// The label when it tells the files apart, else the file's name without what all have.
  static String name(ResultFile f, List<ResultFile> all) {
    long same = all.stream().filter(o -> o.label().equals(f.label())).count();
    return !f.label().isEmpty() && same == 1 ? f.label() : f.name().replaceFirst("\\.json$", "");
  }

  boolean hasRequests() {
    return groups.stream().anyMatch(g -> !g.requests().isEmpty());
  }

  double size(ResultRequest r) {
    return bytes ? r.sizeBytes() : r.inputTokens();
  }

  /// Time against size of the requests that have both, each above zero.
  List<Points> bySize(TimeKind time) {
    List<Points> out = new ArrayList<>();
    int all = groups.stream().mapToInt(g -> g.requests().size()).sum();
    int step = Math.max(1, (all + MOST_POINTS - 1) / MOST_POINTS);
    for (Group g : groups) {
      List<ResultRequest> usable =
          g.requests().stream().filter(r -> r.ok() && time.seconds(r) > 0 && size(r) > 0).toList();
      List<ResultRequest> kept = everyNth(usable, step);
      if (!kept.isEmpty()) {
        out.add(
            new Points(
                g,
                kept.stream().mapToDouble(this::size).toArray(),
                kept.stream().mapToDouble(time::seconds).toArray(),
                usable.size()));
      }
    }
    return out;
  }

  /// Share of a group's requests whose time is at most x, in percent.
  List<Points> cumulative(TimeKind time) {
    List<Points> out = new ArrayList<>();
    for (Group g : groups) {
      double[] sorted = times(g, time::seconds);
      if (sorted.length > 0) {
        int n = Math.min(sorted.length, MOST_STEPS);
        double[] x = new double[n];
        double[] y = new double[n];
        for (int i = 0; i < n; i++) {
          int place = (int) ((long) (i + 1) * sorted.length / n) - 1;
          x[i] = sorted[place];
          y[i] = 100.0 * (place + 1) / sorted.length;
        }
        out.add(new Points(g, x, y, sorted.length));
      }
    }
    return out;
  }

  private static double[] times(Group g, ToDoubleFunction<ResultRequest> time) {
    return g.requests().stream()
        .filter(ResultRequest::ok)
        .mapToDouble(time)
        .filter(v -> v > 0)
        .sorted()
        .toArray();
  }

  /// Which instance served which request when; a lane is taken again once its request has ended.
  static Timeline timeline(ResultFile file) {
    List<ResultRequest> known =
        file.requests().stream()
            .filter(r -> Double.isFinite(r.startS()) && r.e2eS() > 0)
            .sorted(Comparator.comparingDouble(ResultRequest::startS))
            .toList();
    TreeSet<String> names = new TreeSet<>();
    known.forEach(r -> names.add(instance(r)));
    List<String> rows = List.copyOf(names);
    List<List<Double>> busyUntil = new ArrayList<>();
    rows.forEach(r -> busyUntil.add(new ArrayList<>()));
    List<Span> spans = new ArrayList<>();
    for (ResultRequest r : known) {
      int row = rows.indexOf(instance(r));
      double end = r.startS() + r.e2eS();
      int lane = take(busyUntil.get(row), r.startS(), end);
      spans.add(new Span(r.startS(), end, row, lane, poolColor(pool(r)), !r.ok()));
    }
    int[] lanes = busyUntil.stream().mapToInt(l -> Math.max(1, l.size())).toArray();
    int step = Math.max(1, (spans.size() + MOST_POINTS - 1) / MOST_POINTS);
    return new Timeline(rows, lanes, everyNth(spans, step), spans.size());
  }

  private static int take(List<Double> busyUntil, double start, double end) {
    for (int i = 0; i < busyUntil.size(); i++) {
      if (busyUntil.get(i) <= start) {
        busyUntil.set(i, end);
        return i;
      }
    }
    busyUntil.add(end);
    return busyUntil.size() - 1;
  }

  private static String instance(ResultRequest r) {
    return r.instance().isEmpty() ? "instance not told" : r.instance();
  }

  private static <T> List<T> everyNth(List<T> from, int step) {
    if (step == 1) {
      return from;
    }
    List<T> out = new ArrayList<>();
    for (int i = 0; i < from.size(); i += step) {
      out.add(from.get(i));
    }
    return out;
  }

  /// Which part of the requests a chart shows; empty when it is all.
  static String thinned(int shown, int of) {
    return shown == of
        ? ""
        : String.format(Locale.ROOT, " Shown: %,d of %,d requests, evenly thinned out.", shown, of);
  }
}
