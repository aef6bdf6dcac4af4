package org.infinilm.svc.pictures;

import java.awt.geom.Rectangle2D;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.comparison.CompareInputs;
import org.infinilm.svc.comparison.Comparison;
import org.infinilm.svc.comparison.ComparisonReport;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultRouting;

/// The HTML page: figures as numbers, charts, where requests went. Loads nothing from outside.
/// Pure.
final class PlotPage {
  private static final int MOST_EXCEPTIONS = 50;

  private static final String STYLE =
      """
      *{box-sizing:border-box}
      body{margin:0 auto;max-width:1340px;padding:1.5rem 1rem 3rem;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
      h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}
      h2{font-size:1.15rem;margin:2.25rem 0 .5rem}
      p{margin:.25rem 0}
      .soft,figcaption,th{color:var(--soft)}
      .warn{border-left:4px solid var(--bad);padding:.35rem .75rem;margin:.5rem 0}
      .scroll{overflow-x:auto}
      table{border-collapse:collapse;font-variant-numeric:tabular-nums}
      th,td{padding:.35rem .9rem .35rem 0;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
      th{font-weight:500}
      th:first-child,td:first-child,.left{text-align:left}
      .dot{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.45em}
      .tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:0 3rem}
      .tables section{min-width:0}
      section .scroll+.scroll{margin-top:1rem}
      details{margin-top:1rem}
      ul{margin:.25rem 0;padding-left:1.25rem}
      .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:1.75rem 1.5rem}
      figure{margin:0;min-width:0}
      figure.wide{grid-column:1/-1}
      figure h3{font-size:1rem;margin:0 0 .1rem}
      figcaption{font-size:.88rem}
      svg{display:block;width:100%;height:auto;min-width:440px}
      .wide svg{min-width:900px}
      svg text{font-family:system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
      footer{margin-top:2.5rem;font-size:.85rem;color:var(--soft)}
      """;

  private PlotPage() {}

  /// @param report of a comparison, when the files are one
  static String of(
      List<ResultFile> files, List<PlotFigures.Figure> figures, Optional<ComparisonReport> report) {
    StringBuilder out = new StringBuilder(1 << 20);
    List<String> lines = files.stream().map(f -> f.name() + ", " + f.date()).toList();
    head(out, title(files), lines);
    warnings(out, files, report);
    out.append("<div class=\"tables\">\n<section>");
    summary(out, files);
    report.ifPresent(r -> verdicts(out, r));
    out.append("</section>\n");
    if (files.size() == 1) {
      routing(out, files);
    }
    out.append("</div>\n");
    figures(out, files.size() == 1 ? "By pool" : "Side by side", figures);
    if (files.size() > 1) {
      out.append("<div class=\"tables\">\n");
      routing(out, files);
      out.append("</div>\n");
    }
    foot(out, "All from the intended send time.");
    return out.toString();
  }

  /// Up to the begin of its main part.
  ///
  /// @param lines below the title
  static void head(StringBuilder out, String title, List<String> lines) {
    out.append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")
        .append("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .append(escape(title))
        .append("</title>\n<style>\n:root{color-scheme:light dark;")
        .append(PlotTheme.LIGHT.css())
        .append("}\n@media (prefers-color-scheme:dark){:root{")
        .append(PlotTheme.DARK.css())
        .append("}}\n")
        .append(STYLE)
        .append("</style>\n</head>\n<body>\n<header><h1>")
        .append(escape(title))
        .append("</h1>\n");
    for (String line : lines) {
      out.append("<p class=\"soft\">").append(escape(line)).append("</p>\n");
    }
    out.append("</header>\n<main>\n");
  }

  /// From the end of its main part on.
  static void foot(StringBuilder out, String more) {
    out.append(
            "</main>\n<footer>Made by <code>infini plot</code>. TTFT: time to the first token. TPOT: time per output token after it. E2E: time to the last token. ")
        .append(escape(more))
        .append("</footer>\n</body>\n</html>\n");
  }

  private static String title(List<ResultFile> files) {
    List<String> names = files.stream().map(f -> PlotData.name(f, files)).toList();
    return files.size() == 1
        ? "Benchmark: " + names.getFirst()
        : "Benchmarks: " + String.join(", ", names);
  }

  private static void warnings(
      StringBuilder out, List<ResultFile> files, Optional<ComparisonReport> report) {
    List<String> all = new ArrayList<>();
    if (report.isPresent()) {
      all.addAll(report.get().inputs().warnings());
    } else {
      for (ResultFile f : files) {
        all.addAll(CompareInputs.remarks(f));
      }
    }
    for (ResultFile f : files) {
      if (f.requests().isEmpty()) {
        all.add(
            f.name()
                + " has no times of each request (vLLM writes them with --save-detailed), so it is in the table alone");
      }
    }
    for (String w : all) {
      String text = w;
      for (ResultFile f : files) {
        text = text.replace(f.path().toString(), f.name());
      }
      out.append("<p class=\"warn\">").append(escape(text)).append("</p>\n");
    }
  }

  private static void summary(StringBuilder out, List<ResultFile> files) {
    out.append("<h2>Summary</h2>\n<div class=\"scroll\"><table>\n<tr><th></th>");
    for (ResultFile f : files) {
      out.append("<th>");
      if (files.size() > 1) {
        dot(out, files.indexOf(f));
      }
      out.append(escape(PlotData.name(f, files))).append("</th>");
    }
    out.append("</tr>\n");
    row(out, "Completed", files, f -> String.format(Locale.ROOT, "%,d", f.completed()));
    row(out, "Failed", files, f -> String.format(Locale.ROOT, "%,d", f.failed()));
    for (Metric m : Metric.values()) {
      row(out, m.label(), files, f -> number(f.figure(m)));
    }
    if (files.stream().anyMatch(f -> f.cached().prompt() > 0)) {
      row(out, "Cached prompt tokens", files, PlotPage::cached);
    }
    if (files.stream().anyMatch(f -> accuracy(f).isPresent())) {
      row(out, "Routing accuracy", files, f -> accuracy(f).orElse("-"));
    }
    out.append("</table></div>\n");
  }

  private static String cached(ResultFile f) {
    ResultFile.CachedTokens c = f.cached();
    return c.prompt() == 0
        ? "-"
        : String.format(Locale.ROOT, "%.1f %%", 100.0 * c.cached() / c.prompt());
  }

  private static Optional<String> accuracy(ResultFile f) {
    return f.routing().flatMap(ResultRouting::accuracyText);
  }

  private static void row(
      StringBuilder out,
      String name,
      List<ResultFile> files,
      java.util.function.Function<ResultFile, String> value) {
    out.append("<tr><td>").append(escape(name)).append("</td>");
    files.forEach(f -> out.append("<td>").append(escape(value.apply(f))).append("</td>"));
    out.append("</tr>\n");
  }

  private static void verdicts(StringBuilder out, ComparisonReport report) {
    out.append("<h2>Comparison</h2>\n");
    for (Comparison c : report.pairs()) {
      out.append("<p>").append(escape(ComparisonReport.conclusion(c))).append("</p>\n<ul>\n");
      ComparisonReport.bySize(c)
          .forEach(
              line -> out.append("<li>").append(escape(line.replace("+-", "±"))).append("</li>\n"));
      out.append("</ul>\n");
    }
  }

  static void figures(StringBuilder out, String heading, List<PlotFigures.Figure> figures) {
    if (figures.isEmpty()) {
      return;
    }
    out.append("<h2>").append(escape(heading)).append("</h2>\n<div class=\"figures\">\n");
    int n = 0;
    for (PlotFigures.Figure f : figures) {
      boolean wide = f.wide();
      int width = wide ? 2 * PlotFigures.WIDTH : PlotFigures.WIDTH;
      out.append("<figure")
          .append(wide ? " class=\"wide\"" : "")
          .append("><h3>")
          .append(escape(f.title()))
          .append("</h3><div class=\"scroll\">")
          .append(
              PlotSvg.draw(
                  "f" + n++,
                  f.alt(),
                  width,
                  f.height(),
                  false,
                  List.of(
                      new PlotSvg.Placed(
                          f.chart(), new Rectangle2D.Double(0, 0, width, f.height())))))
          .append("</div><figcaption>")
          .append(escape(f.caption()))
          .append("</figcaption></figure>\n");
    }
    out.append("</div>\n");
  }

  private static void routing(StringBuilder out, List<ResultFile> files) {
    for (ResultFile f : files) {
      f.routing()
          .ifPresent(r -> {
            out.append("<section>");
            routing(out, f, r, files.size() > 1);
            out.append("</section>\n");
          });
    }
  }

  private static void routing(StringBuilder out, ResultFile f, ResultRouting r, boolean named) {
    out.append("<h2>Where requests went")
        .append(named ? ": " + escape(f.name()) : "")
        .append("</h2>\n");
    String accuracy =
        accuracy(f).map(a -> "Answered by the pool that the rule names: " + a + ". ").orElse("");
    out.append("<p>")
        .append(escape(accuracy))
        .append(
            r.threshold() >= 0
                ? escape(
                    String.format(Locale.ROOT, "Threshold %,d (%s). ", r.threshold(), r.metric()))
                : "")
        .append(
            r.countersAgree()
                .map(a ->
                    a
                        ? "The instances' own counters agree."
                        : "<strong>The instances' own counters disagree.</strong>")
                .orElse("The instances' own counters were not looked at."))
        .append(
            "</p>\n<div class=\"scroll\"><table>\n<tr><th>Pool</th><th>Requests</th><th>Smallest</th><th>Median</th><th>Largest</th></tr>\n");
    r.pools()
        .forEach((name, p) -> {
          out.append("<tr><td>");
          dot(out, PlotData.poolColor(name));
          cells(
              out.append(escape(name)).append("</td>"),
              p.requests(),
              p.minBytes(),
              p.medianBytes(),
              p.maxBytes());
        });
    out.append(
        "</table></div>\n<div class=\"scroll\"><table>\n<tr><th>Instance</th><th class=\"left\">Pool</th><th>Requests</th><th>Its own count</th></tr>\n");
    for (ResultRouting.Instance i : r.instances()) {
      out.append("<tr><td>")
          .append(escape(i.name()))
          .append("</td><td class=\"left\">")
          .append(escape(i.pool()))
          .append("</td>");
      cells(out, i.requests(), i.counted());
    }
    out.append(
        "</table></div>\n<div class=\"scroll\"><table>\n<tr><th>Reason</th><th>Requests</th></tr>\n");
    for (Map.Entry<String, Long> e : r.reasons().entrySet()) {
      out.append("<tr><td>").append(escape(e.getKey())).append("</td>");
      cells(out, e.getValue());
    }
    out.append("</table></div>\n");
    exceptions(out, r);
  }

  private static void exceptions(StringBuilder out, ResultRouting r) {
    if (r.exceptions().isEmpty()) {
      return;
    }
    int shown = Math.min(MOST_EXCEPTIONS, r.exceptions().size());
    out.append("<details><summary>")
        .append(r.exceptions().size())
        .append(r.exceptions().size() == 1 ? " exception" : " exceptions")
        .append(" to the rule")
        .append(shown < r.exceptions().size() ? " (the first " + shown + ")" : "")
        .append(
            "</summary><div class=\"scroll\"><table>\n<tr><th>Request</th><th>Size</th><th class=\"left\">Expected</th><th class=\"left\">Pool</th><th class=\"left\">Reason</th><th class=\"left\">Instance</th></tr>\n");
    for (ResultRouting.Misrouted e : r.exceptions().subList(0, shown)) {
      out.append("<tr><td>")
          .append(e.index())
          .append("</td><td>")
          .append(count(e.size()))
          .append("</td>");
      for (String text : List.of(e.expected(), e.pool(), e.reason(), e.instance())) {
        out.append("<td class=\"left\">").append(escape(text)).append("</td>");
      }
      out.append("</tr>\n");
    }
    out.append("</table></div></details>\n");
  }

  private static void cells(StringBuilder out, long... values) {
    for (long v : values) {
      out.append("<td>").append(count(v)).append("</td>");
    }
    out.append("</tr>\n");
  }

  private static String count(long v) {
    return v < 0 ? "-" : String.format(Locale.ROOT, "%,d", v);
  }

  private static String number(double v) {
    return String.format(Locale.ROOT, Math.abs(v) >= 1000 ? "%,.0f" : "%.2f", v);
  }

  private static void dot(StringBuilder out, int color) {
    out.append("<span class=\"dot\" style=\"background:var(--s")
        .append(color % PlotTheme.SERIES)
        .append(")\"></span>");
  }

  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
