package org.infinilm.svc.pictures;

import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/// The HTML page of evaluations and what-ifs. Loads nothing from outside. Pure.
final class PlotStudyPage {
  private PlotStudyPage() {}

  static String of(List<PlotStudy> studies, List<PlotFigures.Figure> figures) {
    StringBuilder out = new StringBuilder(1 << 18);
    List<String> names = studies.stream().map(PlotStudy::name).toList();
    PlotPage.head(
        out,
        "Policies: " + String.join(", ", names),
        studies.stream().map(s -> s.name() + ": " + s.traffic() + " before " + s.fleet()).toList());
    for (PlotStudy s : studies) {
      table(out, s);
    }
    PlotPage.figures(out, "Pictures", figures);
    PlotPage.foot(out, "All from the arrival, on a virtual clock.");
    return out.toString();
  }

  private static void table(StringBuilder out, PlotStudy s) {
    out.append("<h2>")
        .append(PlotPage.escape(s.name()))
        .append("</h2>\n<div class=\"scroll\"><table>\n<tr><th>Policy</th>")
        .append("<th>Capacity, requests/s</th><th>Within limits</th><th>Mean TTFT, ms</th>")
        .append("<th>Mean TPOT, ms</th><th>Mean E2E, ms</th></tr>\n");
    for (PlotStudy.Row r : s.rows()) {
      out.append("<tr><td>").append(PlotPage.escape(r.policy())).append("</td>");
      cell(out, r, PlotStudy.Row::capacity, "%.3g", 1);
      cell(out, r, PlotStudy.Row::goodput, "%.1f %%", 100);
      cell(out, r, PlotStudy.Row::ttftS, "%.0f", 1000);
      cell(out, r, PlotStudy.Row::tpotS, "%.2f", 1000);
      cell(out, r, PlotStudy.Row::e2eS, "%.0f", 1000);
      out.append("</tr>\n");
    }
    out.append("</table></div>\n");
  }

  private static void cell(
      StringBuilder out,
      PlotStudy.Row r,
      Function<PlotStudy.Row, List<Double>> values,
      String form,
      double scale) {
    List<Double> v = values.apply(r);
    double mean = v.stream().mapToDouble(d -> d).average().orElse(Double.NaN);
    String shown = v.isEmpty() ? "-" : String.format(Locale.ROOT, form, scale * mean);
    out.append("<td>").append(shown).append("</td>");
  }
}
