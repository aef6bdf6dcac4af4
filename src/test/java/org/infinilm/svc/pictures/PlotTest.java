package org.infinilm.svc.pictures;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.comparison.Compare;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.results.ResultBuilder;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.workload.GenAccumulateContext;
import org.infinilm.svc.workload.GenLargeContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlotTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private int run(Map<String, String> flags, String... files) throws Exception {
    return PlotRun.run(Arguments.of(Plot.PROGRAM, flags, List.of(files), Map.of()), io.out, io.err);
  }

  private String page(String... files) throws Exception {
    Path page = folder.resolve("page.html");
    assertThat(run(Map.of("output", page.toString()), files)).isZero();
    return Files.readString(page);
  }

  private static ResultBuilder result(int n) {
    return ResultBuilder.ours(n, 1, 0.1, size -> size / 10_000.0);
  }

  @Test
  void aPageLoadsNothingAndSaysWhatItShows() throws Exception {
    String html = page(result(60).with("label", "a run").write(folder, "r.json"));
    assertThat(html)
        .startsWith("<!doctype html>")
        .contains("<title>Benchmark: a run</title>")
        .contains("prefers-color-scheme:dark")
        .contains("role=\"img\"")
        .contains("aria-label=\"TTFT by request size: paged, ")
        .contains("request body, bytes</text>")
        .contains("threshold 51,200</text>")
        .contains("fill:var(--s0)")
        .contains("Which instance served what")
        .contains("empty-pool")
        .doesNotContain("<script")
        .doesNotContain("<link")
        .doesNotContain("src=")
        .doesNotContain("@import");
    assertThat(Pattern.compile("https?://[^\"]*").matcher(html).results().map(MatchResult::group))
        .containsOnly("http://www.w3.org/2000/svg");
    List<String> ids =
        Pattern.compile(" id=\"([^\"]*)\"").matcher(html).results().map(m -> m.group(1)).toList();
    assertThat(ids).doesNotHaveDuplicates();
  }

  @Test
  void everyColourOfAChartFollowsTheTheme() throws Exception {
    String html = page(result(60).write(folder, "r.json"));
    String charts = html.substring(html.indexOf("<svg"), html.lastIndexOf("</svg>"));
    List<String> fixed =
        Pattern.compile("<[a-z]+[^>]*? fill=\"rgb[^>]*>")
            .matcher(charts)
            .results()
            .map(MatchResult::group)
            .filter(e -> !e.contains("fill:var(--") && !e.contains("fill-opacity=\"0\""))
            .toList();
    assertThat(fixed).isEmpty();
  }

  @Test
  void textOfAFileIsEscaped() throws Exception {
    String html =
        page(result(20).with("label", "<script>alert(1)</script>&\"").write(folder, "r.json"));
    assertThat(html).contains("&lt;script&gt;").doesNotContain("<script");
  }

  @Test
  void manyRequestsAreThinnedOutVisibly() throws Exception {
    String html = page(result(5000).write(folder, "r.json"));
    assertThat(html).contains("Shown: 1,667 of 5,000 requests, evenly thinned out.");
    assertThat(html.length()).isLessThan(6_000_000);
  }

  @Test
  void severalResultsStandSideBySideWithTheirVerdict() throws Exception {
    String p = result(100).with("label", "paged-cache").write(folder, "paged.json");
    String s =
        ResultBuilder.ours(100, 2, 0.1, size -> size / 20_000.0)
            .with("label", "static-cache")
            .write(folder, "static.json");
    assertThat(page(p, s))
        .contains("Benchmarks: paged-cache, static-cache")
        .contains("one run a side, nothing is claimed (seen: static")
        .contains("Where requests went: paged.json");
  }

  @Test
  void anOldFileIsATable() throws Exception {
    String old = ResultBuilder.old(100, 10).write(folder, "paged-old.json");
    assertThat(page(old))
        .contains("paged-old.json has no times of each request")
        .contains("<td>Mean TTFT (ms)</td><td>100.00</td>")
        .doesNotContain("<svg");
    assertThat(run(Map.of("svg", folder.resolve("x.svg").toString()), old)).isEqualTo(1);
    assertThat(io.complained())
        .contains("no times of single requests, so there is nothing to draw");
  }

  @Test
  void aPartialResultIsMarked() throws Exception {
    assertThat(page(result(20).with("complete", false).write(folder, "r.json")))
        .contains("partial, the run was interrupted");
    assertThat(io.complained()).contains("r.json: partial");
  }

  @Test
  void picturesAreFilesOfTheirOwn() throws Exception {
    String r = result(30).write(folder, "r.json");
    Path svg = folder.resolve("p.svg");
    Path png = folder.resolve("p.png");
    Map<String, String> flags =
        Map.of(
            "svg",
            svg.toString(),
            "png",
            png.toString(),
            "charts",
            "ttft,timeline",
            "theme",
            "dark");
    assertThat(run(flags, r)).isZero();
    assertThat(Files.readString(svg))
        .startsWith("<svg ")
        .contains("prefers-color-scheme")
        .contains("TTFT by request size")
        .doesNotContain("TPOT by request size");
    assertThat(ImageIO.read(png.toFile()).getWidth()).isEqualTo(2480);
  }

  @Test
  void badInputIsNamed() throws Exception {
    Path half = Files.writeString(folder.resolve("half.json"), "{\"date\":\"2026");
    assertThat(run(Map.of(), half.toString())).isEqualTo(1);
    assertThat(io.complained()).startsWith(half + ": not a complete JSON document");
    assertThatThrownBy(() -> run(Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("FILE: none given");
    String r = result(5).write(folder, "r.json");
    assertThat(run(Map.of(), r, r, r, r, r, r, r)).isEqualTo(1);
    assertThat(io.complained()).contains("7 result files (expected: at most 6");
    String nowhere = folder.resolve("none/p.html").toString();
    assertThat(run(Map.of("output", nowhere), r)).isEqualTo(1);
    assertThat(io.complained()).contains(nowhere + " cannot be written");
    assertThatThrownBy(() -> run(Map.of("charts", "foo"), r))
        .hasMessageContaining("--charts: foo (expected: some of ttft");
  }

  /// Every program of `infini` loads the public classes of the room when it starts.
  @Test
  void whatEveryStartLoadsKnowsNothingOfAwt() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("java.awt..", "org.jfree..", "org.apache.batik..", "org.hipparchus..")
        .check(
            new ClassFileImporter()
                .importClasses(
                    Plot.class,
                    Compare.class,
                    GenLargeContext.class,
                    GenAccumulateContext.class,
                    BenchProgram.class));
  }

  @Test
  void lanesOfTheTimelineAreTakenAgain() throws Exception {
    String path = ResultBuilder.ours(10, 1, 0, size -> 0.05).write(folder, "r.json");
    PlotData.Timeline timeline = PlotData.timeline(ResultFile.read(Path.of(path)));
    assertThat(timeline.rows()).containsExactly("paged-cache-server", "static-cache-server");
    // Each request lasts 0.67 s and one starts every 0.1 s.
    assertThat(timeline.lanes()[0]).isBetween(5, 7);
    for (PlotData.Span a : timeline.spans()) {
      assertThat(timeline.spans())
          .filteredOn(b -> b.row() == a.row() && b.lane() == a.lane() && !b.equals(a))
          .allMatch(b -> b.endS() <= a.startS() || b.startS() >= a.endS());
    }
  }
}
