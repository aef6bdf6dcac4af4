package org.infinilm.svc.pictures;

import java.awt.Graphics2D;
import java.awt.geom.Rectangle2D;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jfree.chart.axis.AxisState;
import org.jfree.chart.axis.NumberAxis;
import org.jfree.chart.axis.NumberTick;
import org.jfree.chart.axis.Tick;
import org.jfree.chart.ui.RectangleEdge;
import org.jfree.chart.ui.TextAnchor;

/// An axis of logarithms (base 10) whose ticks stand at round numbers, written as the plain
/// numbers.
final class PlotScale extends NumberAxis {
  /// From how many decades on fewer ticks of a decade are shown.
  private static final double NARROW = 0.9;

  private static final double MIDDLE = 1.7;
  private static final double WIDE = 2.6;

  PlotScale(String label) {
    super(label);
    setAutoRangeIncludesZero(false);
  }

  /// The range that holds the values: whole steps of 1, 2, 5, at least a factor of 2 wide.
  void cover(double least, double most) {
    double low = Math.log10(least);
    double high = Math.log10(most);
    double pad = Math.max(0.04 * (high - low), 0.02);
    if (high - low < 0.3) {
      pad = (0.3 - (high - low)) / 2 + 0.02;
    }
    setRange(low - pad, high + pad);
  }

  @Override
  public List<Tick> refreshTicks(
      Graphics2D g2, AxisState state, Rectangle2D dataArea, RectangleEdge edge) {
    List<Tick> out = new ArrayList<>();
    boolean along = RectangleEdge.isTopOrBottom(edge);
    double low = getLowerBound();
    double high = getUpperBound();
    int[] steps = steps(high - low);
    for (int decade = (int) Math.floor(low); decade <= (int) Math.ceil(high); decade++) {
      for (int step : steps) {
        double at = decade + Math.log10(step);
        if (at >= low && at <= high) {
          out.add(
              new NumberTick(
                  at,
                  label(step, decade),
                  along ? TextAnchor.TOP_CENTER : TextAnchor.CENTER_RIGHT,
                  TextAnchor.CENTER,
                  0));
        }
      }
    }
    return out;
  }

  private static int[] steps(double decades) {
    return decades > WIDE
        ? new int[] {1}
        : decades > MIDDLE
            ? new int[] {1, 2, 5}
            : decades > NARROW ? new int[] {1, 2, 3, 5} : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9};
  }

  /// `0.05`, `20`, `5k`, `1M`.
  static String label(int step, int decade) {
    if (decade >= 6) {
      return whole(step, decade - 6) + "M";
    }
    if (decade >= 3) {
      return whole(step, decade - 3) + "k";
    }
    return decade >= 0
        ? whole(step, decade)
        : String.format(Locale.ROOT, "%." + -decade + "f", step * Math.pow(10, decade));
  }

  private static String whole(int step, int zeros) {
    return step + "0".repeat(zeros);
  }
}
