package org.infinilm.svc.pictures;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.results.ResultBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Pictures of `infini evaluate` and `infini replay`.
class PlotStudyTest {
  private static final String STUDY =
      """
      {"kind":"infini evaluation","traffic":"chat","fleet":"2+2","target":0.95,"rate_per_second":5.5,
       "policies":[
        {"policy":"fixed","capacity_per_second":[4.5,4.9],"goodput":[0.5,0.6],
         "mean_ttft_seconds":[3,4],"mean_tpot_seconds":[0.009,0.01],"mean_e2el_seconds":[5,6],
         "load":[{"instance":"paged-1","at_once":3.5},{"instance":"static-1","at_once":0}]},
        {"policy":"<adaptive>","capacity_per_second":[6.1,6.3],"goodput":[0.98,0.99],
         "mean_ttft_seconds":[0.2,0.2],"mean_tpot_seconds":[0.008,0.008],"mean_e2el_seconds":[2,2]}],
       "course":{"window_requests":25,"courses":[
        {"policy":"fixed","from":"cold","goodput":[0.9,0.6,0.5,0.5]},
        {"policy":"<adaptive>","from":"cold","goodput":[0.9,0.99,0.99,0.98]}]}}
      """;

  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private int run(Map<String, String> flags, String... files) throws Exception {
    return PlotRun.run(Arguments.of(Plot.PROGRAM, flags, List.of(files), Map.of()), io.out, io.err);
  }

  private String file(String name, String text) throws Exception {
    return Files.writeString(folder.resolve(name), text).toString();
  }

  @Test
  void aPageHasTheTableAndAPictureOfEachFigure() throws Exception {
    Path page = folder.resolve("p.html");
    String study = file("what-if.json", STUDY);
    assertThat(run(Map.of("output", page.toString()), study)).isZero();
    String html = Files.readString(page);
    assertThat(html)
        .contains("<title>Policies: what-if</title>")
        .contains("chat before 2+2")
        .contains("<td>4.70</td><td>55.0 %</td><td>3500</td><td>9.50</td><td>5500</td>")
        .contains("aria-label=\"Capacity at the limits, requests/s: fixed 4.70, &lt;adaptive")
        .contains("Requests within the limits at 5.50/s")
        .contains("fixed: paged-1")
        .contains("requests since the first request</text>")
        .doesNotContain("<adaptive>")
        .doesNotContain("<script");
    assertThat(Pattern.compile("<figure").matcher(html).results()).hasSize(7);
    List<String> ids =
        Pattern.compile(" id=\"([^\"]*)\"").matcher(html).results().map(m -> m.group(1)).toList();
    assertThat(ids).doesNotHaveDuplicates();
    assertThat(Pattern.compile("https?://[^\"]*").matcher(html).results().map(MatchResult::group))
        .containsOnly("http://www.w3.org/2000/svg");
  }

  @Test
  void severalStandBesideEachOtherByTheNamesOfTheirFiles() throws Exception {
    Path svg = folder.resolve("p.svg");
    Path png = folder.resolve("p.png");
    String one = file("now.json", STUDY);
    String two = file("three-static.json", STUDY);
    assertThat(
            run(
                Map.of("svg", svg.toString(), "png", png.toString(), "charts", "goodput,course"),
                one,
                two))
        .isZero();
    assertThat(Files.readString(svg))
        .contains("now: fixed")
        .contains("three-static: fixed")
        .doesNotContain("Capacity");
    assertThat(ImageIO.read(png.toFile()).getWidth()).isEqualTo(4 * PlotFigures.WIDTH);
  }

  @Test
  void anEvaluationIsNotDrawnBesideABenchmark() throws Exception {
    String study = file("s.json", STUDY);
    String bench = ResultBuilder.ours(20, 1, 0.1, size -> size / 10_000.0).write(folder, "r.json");
    assertThat(run(Map.of(), study, bench)).isEqualTo(1);
    assertThat(io.complained()).contains("r.json").contains("(expected: files of one kind)");
  }

  @Test
  void whatIsWrongInOneIsNamed() throws Exception {
    String none = file("a.json", "{\"kind\":\"infini evaluation\",\"policies\":[]}");
    assertThat(run(Map.of(), none)).isEqualTo(1);
    assertThat(io.complained()).contains("a.json").contains("no policy in it");
    String text = file("b.json", STUDY.replace("[0.5,0.6]", "[0.5,\"x\"]"));
    assertThat(run(Map.of(), text)).isEqualTo(1);
    assertThat(io.complained()).contains("b.json").contains("goodput: \"x\" (expected:");
  }
}
