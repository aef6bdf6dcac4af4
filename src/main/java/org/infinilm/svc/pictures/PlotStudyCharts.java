package org.infinilm.svc.pictures;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.geom.Rectangle2D;
import java.util.Arrays;
import java.util.List;
import org.infinilm.svc.statistics.CompareStatistics;
import org.infinilm.svc.statistics.Interval;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.LegendItemCollection;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.axis.SymbolAxis;
import org.jfree.chart.plot.DatasetRenderingOrder;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.StandardXYBarPainter;
import org.jfree.chart.renderer.xy.XYBarRenderer;
import org.jfree.chart.renderer.xy.XYErrorRenderer;
import org.jfree.chart.renderer.xy.XYLineAndShapeRenderer;
import org.jfree.data.xy.XYIntervalSeries;
import org.jfree.data.xy.XYIntervalSeriesCollection;
import org.jfree.data.xy.XYSeries;
import org.jfree.data.xy.XYSeriesCollection;

/// Bars with intervals, and lines; needs AWT's fonts to measure text, but no display.
final class PlotStudyCharts {
  private static final int LONGEST_NAME = 34;
  private static final double THICK = 0.36;

  /// One bar from 0, and an interval around its end.
  record Bar(String name, double value, double low, double high, int color) {
    static Bar of(String name, List<Double> values, double scale, int color) {
      double[] scaled = values.stream().mapToDouble(v -> scale * v).toArray();
      double mean = Arrays.stream(scaled).average().orElse(0);
      Interval i =
          scaled.length < 2
              ? new Interval(mean, mean)
              : CompareStatistics.ofMean(scaled).orElse(new Interval(mean, mean));
      return new Bar(name, mean, i.low(), i.high(), color);
    }
  }

  /// A value each so many units.
  record Line(String name, double step, List<Double> values) {
    Line {
      values = List.copyOf(values);
    }
  }

  private final PlotCharts base;

  PlotStudyCharts(PlotCharts base) {
    this.base = base;
  }

  /// The first bar on top.
  JFreeChart bars(String title, String unit, List<Bar> bars) {
    XYIntervalSeriesCollection ends = new XYIntervalSeriesCollection();
    XYIntervalSeriesCollection ranges = new XYIntervalSeriesCollection();
    XYBarRenderer renderer = new XYBarRenderer();
    renderer.setUseYInterval(true);
    renderer.setBarPainter(new StandardXYBarPainter());
    renderer.setShadowVisible(false);
    renderer.setDrawBarOutline(false);
    XYErrorRenderer whiskers = new XYErrorRenderer();
    whiskers.setDrawYError(false);
    whiskers.setErrorPaint(base.theme().color("ink"));
    whiskers.setErrorStroke(new BasicStroke(1.4f));
    whiskers.setDefaultShapesVisible(false);
    String[] names = new String[bars.size()];
    double most = 0;
    for (int k = 0; k < bars.size(); k++) {
      Bar b = bars.get(k);
      double y = bars.size() - 1.0 - k;
      names[bars.size() - 1 - k] = brief(b.name());
      XYIntervalSeries end = new XYIntervalSeries(k + " " + b.name());
      end.add(b.value(), 0, b.value(), y, y - THICK, y + THICK);
      ends.addSeries(end);
      renderer.setSeriesPaint(k, base.theme().series(b.color()));
      XYIntervalSeries range = new XYIntervalSeries(k + " range of " + b.name());
      range.add(b.value(), Math.max(0, b.low()), b.high(), y, y, y);
      ranges.addSeries(range);
      most = Math.max(most, b.high());
    }
    NumberAxis x = base.style(new NumberAxis(unit));
    x.setRange(0, most <= 0 ? 1 : 1.05 * most);
    SymbolAxis y = base.style(new SymbolAxis(null, names));
    y.setRange(-0.5, bars.size() - 0.5);
    y.setGridBandsVisible(false);
    XYPlot plot = base.plot(ends, x, y, renderer);
    plot.setDataset(1, ranges);
    plot.setRenderer(1, whiskers);
    plot.setDatasetRenderingOrder(DatasetRenderingOrder.FORWARD);
    plot.setRangeGridlinesVisible(false);
    return base.chart(title, plot, new LegendItemCollection());
  }

  JFreeChart lines(String title, String along, String up, List<Line> lines) {
    XYSeriesCollection series = new XYSeriesCollection();
    XYLineAndShapeRenderer renderer = new XYLineAndShapeRenderer(true, false);
    LegendItemCollection legend = new LegendItemCollection();
    double least = 100;
    for (Line l : lines) {
      int s = series.getSeriesCount();
      XYSeries one = new XYSeries(s + " " + l.name(), false, true);
      for (int k = 0; k < l.values().size(); k++) {
        one.add((k + 0.5) * l.step(), l.values().get(k));
        least = Math.min(least, l.values().get(k));
      }
      series.addSeries(one);
      Color color = base.theme().series(s);
      renderer.setSeriesPaint(s, color);
      renderer.setSeriesStroke(s, PlotCharts.line(s));
      legend.add(base.item(l.name(), new Rectangle2D.Double(-9, -1.5, 18, 3), color));
    }
    NumberAxis x = base.style(new NumberAxis(along));
    x.setAutoRangeIncludesZero(true);
    NumberAxis y = base.style(new NumberAxis(up));
    y.setRange(Math.max(0, Math.floor(least / 10) * 10 - 1), 101);
    return base.chart(title, base.plot(series, x, y, renderer), legend);
  }

  private static String brief(String name) {
    return name.length() > LONGEST_NAME ? name.substring(0, LONGEST_NAME - 1) + "…" : name;
  }
}
