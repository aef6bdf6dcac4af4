package org.infinilm.svc.pictures;

import java.awt.geom.Rectangle2D;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.infinilm.svc.pictures.PlotSvg.Placed;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultRequest;
import org.infinilm.svc.results.TimeKind;
import org.infinilm.svc.statistics.CompareStatistics;
import org.jfree.chart.JFreeChart;

/// The figures of a page or picture: each a chart with its caption.
final class PlotFigures {
  static final int WIDTH = 620;
  static final int HEIGHT = 380;

  /// @param word one of [Plot#WORDS]
  /// @param alt what it shows, for readers who do not see it
  record Figure(
      String word, String title, String caption, String alt, int height, JFreeChart chart) {
    boolean wide() {
      return word.equals("timeline");
    }
  }

  private final PlotCharts charts;
  private final boolean titles;
  private final Set<String> wanted;

  /// @param titles whether the charts carry their titles themselves
  /// @param wanted the words of the figures to make
  PlotFigures(PlotTheme theme, boolean titles, Set<String> wanted) {
    this.wanted = wanted;
    this.charts = new PlotCharts(theme);
    this.titles = titles;
  }

  /// Empty when no file has times of its requests.
  List<Figure> of(List<ResultFile> files) {
    PlotData data = PlotData.of(files);
    List<Figure> out = new ArrayList<>();
    if (!data.hasRequests()) {
      return out;
    }
    for (TimeKind time : TimeKind.values()) {
      bySize(data, time, out);
      cumulative(data, time, out);
    }
    for (ResultFile f : files) {
      timeline(f, files, out);
    }
    return out;
  }

  private void bySize(PlotData data, TimeKind time, List<Figure> out) {
    List<PlotData.Points> points = data.bySize(time);
    String word = time.label.toLowerCase(Locale.ROOT);
    if (points.isEmpty() || !wanted.contains(word)) {
      return;
    }
    int shown = points.stream().mapToInt(p -> p.x().length).sum();
    int of = points.stream().mapToInt(PlotData.Points::of).sum();
    String title = time.label + " by request size";
    out.add(
        new Figure(
            word,
            title,
            "One mark a request; both axes are logarithmic." + PlotData.thinned(shown, of),
            title + ": " + medians(points, time),
            HEIGHT,
            charts.bySize(titles ? title : "", data, time, points)));
  }

  private void cumulative(PlotData data, TimeKind time, List<Figure> out) {
    List<PlotData.Points> points = data.cumulative(time);
    String word = time.label.toLowerCase(Locale.ROOT) + "-cdf";
    if (points.isEmpty() || !wanted.contains(word)) {
      return;
    }
    String title = time.label + ": share of requests at most this slow";
    out.add(
        new Figure(
            word,
            title,
            "Cumulative distribution; the further left, the faster. The time axis is logarithmic.",
            title + ": " + medians(points, time),
            HEIGHT,
            charts.cumulative(titles ? title : "", time, points)));
  }

  private void timeline(ResultFile f, List<ResultFile> files, List<Figure> out) {
    PlotData.Timeline timeline = PlotData.timeline(f);
    if (timeline.spans().isEmpty() || !wanted.contains("timeline")) {
      return;
    }
    String title =
        "Which instance served what" + (files.size() > 1 ? ": " + PlotData.name(f, files) : "");
    out.add(
        new Figure(
            "timeline",
            title,
            "One bar a request, from its intended send time to its last token; bars of one instance that overlap stand above each other."
                + PlotData.thinned(timeline.spans().size(), timeline.of()),
            title + ": " + timeline.of() + " requests on " + String.join(", ", timeline.rows()),
            Math.min(2 * HEIGHT, 150 + 90 * timeline.rows().size()),
            charts.timeline(titles ? "Which instance served what" : "", timeline)));
  }

  private static String medians(List<PlotData.Points> points, TimeKind time) {
    List<String> out = new ArrayList<>();
    for (PlotData.Points p : points) {
      double[] times =
          p.group().requests().stream()
              .filter(ResultRequest::ok)
              .mapToDouble(time::seconds)
              .filter(v -> v > 0)
              .sorted()
              .toArray();
      out.add(
          String.format(
              Locale.ROOT,
              "%s, %d requests, median %.3g s",
              p.group().name(),
              p.of(),
              CompareStatistics.quantile(times, 0.5)));
    }
    return String.join("; ", out);
  }

  /// Two charts a row; the timelines over the whole width.
  static List<Placed> sheet(List<Figure> figures, int[] size) {
    List<Placed> out = new ArrayList<>();
    int y = 0;
    int column = 0;
    for (Figure f : figures) {
      boolean wide = f.wide();
      if (wide && column == 1) {
        y += HEIGHT;
        column = 0;
      }
      out.add(
          new Placed(
              f.chart(),
              new Rectangle2D.Double(
                  column * WIDTH, y, wide ? 2 * WIDTH : WIDTH, wide ? f.height() : HEIGHT)));
      if (wide) {
        y += f.height();
      } else if (column == 1) {
        y += HEIGHT;
        column = 0;
      } else {
        column = 1;
      }
    }
    size[0] = 2 * WIDTH;
    size[1] = y + (column == 1 ? HEIGHT : 0);
    return out;
  }
}
