package org.infinilm.svc.pictures;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.infinilm.svc.pictures.PlotFigures.Figure;
import org.infinilm.svc.pictures.PlotStudyCharts.Bar;
import org.infinilm.svc.pictures.PlotStudyCharts.Line;

/// The figures of evaluations and what-ifs, with their captions.
final class PlotStudyFigures {
  private static final int MOST_BARS = 60;

  private final PlotStudyCharts charts;
  private final boolean titles;
  private final Set<String> wanted;

  /// @param titles whether the charts carry their titles themselves
  /// @param wanted the words of the figures to make
  PlotStudyFigures(PlotTheme theme, boolean titles, Set<String> wanted) {
    this.charts = new PlotStudyCharts(new PlotCharts(theme));
    this.titles = titles;
    this.wanted = wanted;
  }

  List<Figure> of(List<PlotStudy> studies) {
    List<Figure> out = new ArrayList<>();
    String seeds = "Bars are means over the seeds, whiskers their 95 % intervals.";
    bars(
        out,
        studies,
        "capacity",
        "Capacity at the limits",
        "requests/s",
        1,
        PlotStudy.Row::capacity,
        "The rate at which "
            + percent(studies.getFirst().target())
            + " of the requests are still within the limits. "
            + seeds);
    bars(
        out,
        studies,
        "goodput",
        "Requests within the limits" + at(studies),
        "%",
        100,
        PlotStudy.Row::goodput,
        seeds);
    bars(out, studies, "ttft", "Mean TTFT" + at(studies), "s", 1, PlotStudy.Row::ttftS, seeds);
    bars(out, studies, "tpot", "Mean TPOT" + at(studies), "ms", 1000, PlotStudy.Row::tpotS, seeds);
    bars(out, studies, "e2e", "Mean E2E time" + at(studies), "s", 1, PlotStudy.Row::e2eS, seeds);
    loads(out, studies);
    courses(out, studies, "cold", "Goodput from the start on", "the first request");
    courses(out, studies, "slow", "Goodput from a slow-down on", "the slow-down");
    return out;
  }

  private static String at(List<PlotStudy> studies) {
    double rate = studies.getFirst().rate();
    return studies.stream().allMatch(s -> s.rate() == rate)
        ? String.format(Locale.ROOT, " at %.3g/s", rate)
        : "";
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.0f %%", 100 * share);
  }

  private static String named(PlotStudy s, String policy, List<PlotStudy> all) {
    return all.size() == 1 ? policy : s.name() + ": " + policy;
  }

  private void bars(
      List<Figure> out,
      List<PlotStudy> studies,
      String word,
      String title,
      String unit,
      double scale,
      Function<PlotStudy.Row, List<Double>> values,
      String caption) {
    List<Bar> bars = new ArrayList<>();
    for (PlotStudy s : studies) {
      for (int k = 0; k < s.rows().size(); k++) {
        List<Double> v = values.apply(s.rows().get(k));
        if (!v.isEmpty() && bars.size() < MOST_BARS) {
          bars.add(Bar.of(named(s, s.rows().get(k).policy(), studies), v, scale, k));
        }
      }
    }
    if (!bars.isEmpty() && wanted.contains(word)) {
      out.add(figure(word, title, caption, unit, bars));
    }
  }

  private Figure figure(String word, String title, String caption, String unit, List<Bar> bars) {
    String said =
        bars.stream()
            .map(b -> String.format(Locale.ROOT, "%s %.3g", b.name(), b.value()))
            .collect(Collectors.joining(", "));
    return new Figure(
        word,
        title,
        caption,
        title + ", " + unit + ": " + said,
        PlotFigures.HEIGHT,
        charts.bars(titles ? title : "", unit, bars));
  }

  private void loads(List<Figure> out, List<PlotStudy> studies) {
    List<Bar> bars = new ArrayList<>();
    for (PlotStudy s : studies) {
      int color = 0;
      for (Map.Entry<String, Map<String, Double>> e : s.loads().entrySet()) {
        for (Map.Entry<String, Double> i : e.getValue().entrySet()) {
          if (bars.size() < MOST_BARS) {
            String name = named(s, e.getKey(), studies) + ": " + i.getKey();
            bars.add(new Bar(name, i.getValue(), i.getValue(), i.getValue(), color));
          }
        }
        color++;
      }
    }
    if (!bars.isEmpty() && wanted.contains("load")) {
      out.add(
          figure(
              "load",
              "Load of each instance",
              "Requests at once on average, those that wait at it included.",
              "requests",
              bars));
    }
  }

  private void courses(
      List<Figure> out, List<PlotStudy> studies, String from, String title, String since) {
    Set<String> policies = new LinkedHashSet<>();
    List<Line> lines = new ArrayList<>();
    for (PlotStudy s : studies) {
      for (PlotStudy.Course c : s.courses()) {
        if (c.from().equals(from) && !c.goodput().isEmpty()) {
          policies.add(named(s, c.policy(), studies));
          lines.add(
              new Line(
                  named(s, c.policy(), studies),
                  c.windowRequests(),
                  c.goodput().stream().map(v -> 100 * v).toList()));
        }
      }
    }
    if (!lines.isEmpty() && wanted.contains("course")) {
      out.add(
          new Figure(
              "course",
              title,
              "Share within the limits of each "
                  + Math.round(lines.getFirst().step())
                  + " requests, over all seeds.",
              title + ": " + String.join(", ", policies),
              PlotFigures.HEIGHT,
              charts.lines(
                  titles ? title : "", "requests since " + since, "within the limits, %", lines)));
    }
  }
}
