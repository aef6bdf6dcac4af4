package org.infinilm.svc.pictures;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Shape;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.DoubleStream;
import org.infinilm.svc.results.TimeKind;
import org.jfree.chart.JFreeChart;
import org.jfree.chart.LegendItem;
import org.jfree.chart.LegendItemCollection;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.axis.SymbolAxis;
import org.jfree.chart.axis.ValueAxis;
import org.jfree.chart.block.BlockBorder;
import org.jfree.chart.plot.ValueMarker;
import org.jfree.chart.plot.XYPlot;
import org.jfree.chart.renderer.xy.StandardXYBarPainter;
import org.jfree.chart.renderer.xy.XYBarRenderer;
import org.jfree.chart.renderer.xy.XYItemRenderer;
import org.jfree.chart.renderer.xy.XYLineAndShapeRenderer;
import org.jfree.chart.renderer.xy.XYStepRenderer;
import org.jfree.chart.title.LegendTitle;
import org.jfree.chart.ui.RectangleAnchor;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.RectangleInsets;
import org.jfree.chart.ui.TextAnchor;
import org.jfree.data.xy.XYDataset;
import org.jfree.data.xy.XYIntervalSeries;
import org.jfree.data.xy.XYIntervalSeriesCollection;
import org.jfree.data.xy.XYSeries;
import org.jfree.data.xy.XYSeriesCollection;

/// Builds the charts; needs AWT's fonts to measure text, but no display.
final class PlotCharts {
  private static final Font TEXT = new Font(Font.SANS_SERIF, Font.PLAIN, 13);
  private static final Font SMALL = new Font(Font.SANS_SERIF, Font.PLAIN, 12);
  private static final Font BOLD = new Font(Font.SANS_SERIF, Font.BOLD, 14);
  private static final Color CLEAR = new Color(0, 0, 0, 0);
  private static final float[][] DASHES = {null, {7, 4}, {2, 3}, {9, 3, 2, 3}, {4, 2}, {12, 5}};

  private final PlotTheme theme;

  PlotCharts(PlotTheme theme) {
    this.theme = theme;
  }

  PlotTheme theme() {
    return theme;
  }

  /// Milliseconds for TPOT, seconds for the others.
  private static double unit(TimeKind time) {
    return time == TimeKind.TPOT ? 1000 : 1;
  }

  private static String label(TimeKind time) {
    return switch (time) {
      case TTFT -> "time to first token, s";
      case TPOT -> "time per output token, ms";
      case E2E -> "end-to-end time, s";
    };
  }

  JFreeChart bySize(String title, PlotData data, TimeKind time, List<PlotData.Points> points) {
    XYSeriesCollection series = new XYSeriesCollection();
    XYLineAndShapeRenderer renderer = new XYLineAndShapeRenderer(false, true);
    for (PlotData.Points p : points) {
      int s = series.getSeriesCount();
      XYSeries one = new XYSeries(key(p, s), false, true);
      for (int i = 0; i < p.x().length; i++) {
        one.add(Math.log10(p.x()[i]), Math.log10(p.y()[i] * unit(time)));
      }
      series.addSeries(one);
      Color color = theme.series(p.group().color());
      renderer.setSeriesPaint(s, new Color(color.getRed(), color.getGreen(), color.getBlue(), 190));
      renderer.setSeriesShape(s, mark(p.group().color()));
    }
    PlotScale x = scale(data.bytes() ? "request body, bytes" : "prompt, tokens");
    x.cover(
        points.stream().flatMapToDouble(p -> DoubleStream.of(p.x())).min().orElse(1),
        points.stream().flatMapToDouble(p -> DoubleStream.of(p.x())).max().orElse(10));
    PlotScale y = scale(label(time));
    y.cover(
        points.stream().flatMapToDouble(p -> DoubleStream.of(p.y())).min().orElse(1) * unit(time),
        points.stream().flatMapToDouble(p -> DoubleStream.of(p.y())).max().orElse(10) * unit(time));
    XYPlot plot = plot(series, x, y, renderer);
    if (data.bytes() && data.threshold() > 0) {
      plot.addDomainMarker(threshold(data.threshold()));
    }
    return chart(title, plot, legend(points, false));
  }

  JFreeChart cumulative(String title, TimeKind time, List<PlotData.Points> points) {
    XYSeriesCollection series = new XYSeriesCollection();
    XYStepRenderer renderer = new XYStepRenderer();
    double least = Double.MAX_VALUE;
    double most = 0;
    for (PlotData.Points p : points) {
      int s = series.getSeriesCount();
      XYSeries one = new XYSeries(key(p, s), false, true);
      one.add(Math.log10(p.x()[0] * unit(time)), 0);
      for (int i = 0; i < p.x().length; i++) {
        one.add(Math.log10(p.x()[i] * unit(time)), p.y()[i]);
      }
      least = Math.min(least, p.x()[0] * unit(time));
      most = Math.max(most, p.x()[p.x().length - 1] * unit(time));
      series.addSeries(one);
      renderer.setSeriesPaint(s, theme.series(p.group().color()));
      renderer.setSeriesStroke(s, line(p.group().color()));
    }
    PlotScale x = scale(label(time));
    x.cover(least, most);
    NumberAxis y = new NumberAxis("requests at most this slow, %");
    y.setRange(0, 102);
    return chart(title, plot(series, x, style(y), renderer), legend(points, true));
  }

  JFreeChart timeline(String title, PlotData.Timeline timeline) {
    Map<String, XYIntervalSeries> byColor =
        new TreeMap<>(Comparator.comparing((String n) -> n.equals("failed")).thenComparing(n -> n));
    Map<String, Color> colors = new LinkedHashMap<>();
    for (PlotData.Span s : timeline.spans()) {
      String name = s.failed() ? "failed" : poolName(s.color());
      colors.putIfAbsent(name, s.failed() ? theme.color("ink") : theme.series(s.color()));
      double height = 0.86 / timeline.lanes()[s.row()];
      double low = s.row() - 0.43 + s.lane() * height;
      byColor
          .computeIfAbsent(name, XYIntervalSeries::new)
          .add(s.startS(), s.startS(), s.endS(), low, low, low + 0.9 * height);
    }
    XYIntervalSeriesCollection series = new XYIntervalSeriesCollection();
    XYBarRenderer renderer = new XYBarRenderer();
    renderer.setUseYInterval(true);
    renderer.setBarPainter(new StandardXYBarPainter());
    renderer.setShadowVisible(false);
    renderer.setDrawBarOutline(false);
    LegendItemCollection legend = new LegendItemCollection();
    byColor.forEach((name, one) -> {
      renderer.setSeriesPaint(series.getSeriesCount(), colors.getOrDefault(name, Color.GRAY));
      series.addSeries(one);
      legend.add(
          item(name, new Rectangle2D.Double(-6, -4, 12, 8), colors.getOrDefault(name, Color.GRAY)));
    });
    NumberAxis x = new NumberAxis("time since the start of the run, s");
    x.setAutoRangeIncludesZero(true);
    x.setUpperMargin(0.02);
    SymbolAxis y =
        new SymbolAxis(
            null, timeline.rows().stream().map(PlotCharts::brief).toArray(String[]::new));
    y.setRange(-0.5, timeline.rows().size() - 0.5);
    y.setGridBandsVisible(false);
    XYPlot plot = plot(series, style(x), style(y), renderer);
    plot.setRangeGridlinesVisible(false);
    return chart(title, plot, legend);
  }

  private static String poolName(int color) {
    return switch (color) {
      case 0 -> "paged";
      case 1 -> "static";
      case 2 -> "any";
      default -> "pool not told";
    };
  }

  private static String brief(String instance) {
    return instance.length() > 40 ? instance.substring(0, 39) + "…" : instance;
  }

  private static String key(PlotData.Points p, int s) {
    return s + " " + p.group().name();
  }

  private static PlotScale bare(String label) {
    return new PlotScale(label);
  }

  private PlotScale scale(String label) {
    PlotScale axis = bare(label);
    style(axis);
    return axis;
  }

  <A extends ValueAxis> A style(A axis) {
    axis.setLabelFont(TEXT);
    axis.setTickLabelFont(SMALL);
    axis.setLabelPaint(theme.color("soft"));
    axis.setTickLabelPaint(theme.color("soft"));
    axis.setAxisLinePaint(theme.color("grid"));
    axis.setTickMarkPaint(theme.color("grid"));
    return axis;
  }

  private ValueMarker threshold(long bytes) {
    ValueMarker marker = new ValueMarker(Math.log10((double) bytes));
    marker.setPaint(theme.color("soft"));
    marker.setStroke(
        new BasicStroke(
            1f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_MITER, 1, new float[] {4, 4}, 0));
    marker.setLabel(String.format(Locale.ROOT, "threshold %,d", bytes));
    marker.setLabelFont(SMALL);
    marker.setLabelPaint(theme.color("soft"));
    marker.setLabelAnchor(RectangleAnchor.TOP_LEFT);
    marker.setLabelTextAnchor(TextAnchor.TOP_RIGHT);
    marker.setLabelOffset(new RectangleInsets(4, 4, 4, 4));
    marker.setLabelBackgroundColor(CLEAR);
    return marker;
  }

  XYPlot plot(XYDataset data, ValueAxis x, ValueAxis y, XYItemRenderer renderer) {
    XYPlot plot = new XYPlot(data, x, y, renderer);
    plot.setBackgroundPaint(null);
    plot.setOutlineVisible(false);
    plot.setDomainGridlinePaint(theme.color("grid"));
    plot.setRangeGridlinePaint(theme.color("grid"));
    plot.setDomainGridlineStroke(new BasicStroke(0.8f));
    plot.setRangeGridlineStroke(new BasicStroke(0.8f));
    plot.setAxisOffset(new RectangleInsets(2, 2, 2, 2));
    return plot;
  }

  JFreeChart chart(String title, XYPlot plot, LegendItemCollection items) {
    plot.setFixedLegendItems(items);
    JFreeChart chart = new JFreeChart(title.isEmpty() ? null : title, BOLD, plot, false);
    chart.setBackgroundPaint(null);
    chart.setPadding(new RectangleInsets(4, 4, 4, 12));
    if (chart.getTitle() != null) {
      chart.getTitle().setPaint(theme.color("ink"));
    }
    if (items.getItemCount() > 0) {
      LegendTitle legend = new LegendTitle(plot);
      legend.setPosition(RectangleEdge.TOP);
      legend.setBackgroundPaint(null);
      legend.setFrame(BlockBorder.NONE);
      legend.setItemFont(TEXT);
      legend.setItemPaint(theme.color("ink"));
      chart.addLegend(legend);
    }
    return chart;
  }

  private LegendItemCollection legend(List<PlotData.Points> points, boolean lines) {
    LegendItemCollection out = new LegendItemCollection();
    for (PlotData.Points p : points) {
      int color = p.group().color();
      Shape shape = lines ? new Rectangle2D.Double(-9, -1.5, 18, 3) : mark(color);
      out.add(
          item(
              String.format(Locale.ROOT, "%s (%,d)", p.group().name(), p.of()),
              shape,
              theme.series(color)));
    }
    return out;
  }

  LegendItem item(String name, Shape shape, Color color) {
    LegendItem item = new LegendItem(name, null, null, null, shape, color);
    item.setLabelFont(TEXT);
    item.setLabelPaint(theme.color("ink"));
    return item;
  }

  static BasicStroke line(int color) {
    float[] dash = DASHES[color % DASHES.length];
    return new BasicStroke(2.2f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, dash, 0);
  }

  private static Shape mark(int color) {
    double r = 3.4;
    List<double[]> corners = new ArrayList<>();
    switch (color % PlotTheme.SERIES) {
      case 1 -> {
        corners.add(new double[] {0, -1.3 * r});
        corners.add(new double[] {1.2 * r, r});
        corners.add(new double[] {-1.2 * r, r});
      }
      case 2 -> {
        return new Rectangle2D.Double(-r, -r, 2 * r, 2 * r);
      }
      case 3 -> {
        corners.add(new double[] {0, -1.4 * r});
        corners.add(new double[] {1.4 * r, 0});
        corners.add(new double[] {0, 1.4 * r});
        corners.add(new double[] {-1.4 * r, 0});
      }
      case 4 -> {
        corners.add(new double[] {0, 1.3 * r});
        corners.add(new double[] {1.2 * r, -r});
        corners.add(new double[] {-1.2 * r, -r});
      }
      default -> {
        return new Ellipse2D.Double(-r, -r, 2 * r, 2 * r);
      }
    }
    Path2D path = new Path2D.Double();
    path.moveTo(corners.getFirst()[0], corners.getFirst()[1]);
    corners.stream().skip(1).forEach(c -> path.lineTo(c[0], c[1]));
    path.closePath();
    return path;
  }
}
