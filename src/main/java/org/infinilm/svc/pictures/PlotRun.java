package org.infinilm.svc.pictures;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.imageio.ImageIO;
import org.infinilm.svc.comparison.CompareInputs;
import org.infinilm.svc.comparison.ComparisonReport;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.results.ResultFile;

/// Reads the files, draws, writes.
final class PlotRun {
  private static final int MOST_FILES = PlotTheme.SERIES;
  private static final int PNG_SCALE = 2;

  private PlotRun() {}

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    List<ResultFile> files = new ArrayList<>();
    List<PlotStudy> studies = new ArrayList<>();
    if (args.positionals().isEmpty()) {
      throw new ConfigException("FILE: none given (expected: one or more result files)");
    }
    try {
      for (String f : args.positionals()) {
        for (Path p : CompareInputs.expand(f)) {
          Optional<PlotStudy> study = PlotStudy.read(p);
          if (study.isPresent()) {
            studies.add(study.get());
          } else {
            files.add(ResultFile.read(p));
          }
        }
      }
    } catch (ResultFile.Unusable | CompareInputs.Nothing e) {
      err.println(e.getMessage());
      return 1;
    }
    if (!studies.isEmpty() && !files.isEmpty()) {
      err.println(
          files.getFirst().path()
              + ": a benchmark's result beside an evaluation (expected: files of one kind)");
      return 1;
    }
    int given = files.size() + studies.size();
    if (given > MOST_FILES) {
      err.println(given + " result files (expected: at most " + MOST_FILES + " in one picture)");
      return 1;
    }
    Optional<String> svg = args.config().find(Plot.SVG);
    Optional<String> png = args.config().find(Plot.PNG);
    Optional<String> page =
        args.config()
            .find(Plot.OUTPUT)
            .or(() -> svg.isEmpty() && png.isEmpty() ? Optional.of("plot.html") : Optional.empty());
    PlotTheme theme =
        args.config().get(Plot.THEME).equals("dark") ? PlotTheme.DARK : PlotTheme.LIGHT;
    Set<String> charts = new HashSet<>(List.of(args.config().get(Plot.CHARTS).split(",", -1)));
    System.setProperty("java.awt.headless", "true");
    try {
      if (page.isPresent()) {
        String html = studies.isEmpty() ? page(files, charts) : pageOf(studies, charts);
        write(Path.of(page.get()), html.getBytes(StandardCharsets.UTF_8), out);
      }
      if (svg.isPresent() || png.isPresent()) {
        pictures(files, studies, svg, png, charts, theme, out);
      }
    } catch (NoRequests e) {
      err.println(e.getMessage());
      return 1;
    } catch (IOException e) {
      err.println(e.getMessage());
      return 1;
    } catch (LinkageError | InternalError | RuntimeException e) {
      if (!aboutFonts(e)) {
        throw e;
      }
      err.println(
          "this system has no fonts that Java can measure text with ("
              + e.getClass().getSimpleName()
              + "); install fontconfig and a font, for example: apt-get install fontconfig"
              + " fonts-dejavu-core");
      return 2;
    }
    for (ResultFile f : files) {
      if (!f.complete()) {
        err.println("warning: " + f.path() + ": partial, the run was interrupted");
      }
    }
    return 0;
  }

  /// A picture was asked for and there is nothing to draw.
  private static final class NoRequests extends Exception {
    NoRequests(List<ResultFile> files) {
      super(
          String.join(", ", files.stream().map(f -> f.path().toString()).toList())
              + ": no times of single requests, so there is nothing to draw (expected: a result of"
              + " infini bench, or of vLLM with --save-detailed)");
    }
  }

  static String page(List<ResultFile> files, Set<String> charts) {
    return PlotPage.of(
        files, new PlotFigures(PlotTheme.LIGHT, false, charts).of(files), comparison(files));
  }

  private static String pageOf(List<PlotStudy> studies, Set<String> charts) {
    return PlotStudyPage.of(
        studies, new PlotStudyFigures(PlotTheme.LIGHT, false, charts).of(studies));
  }

  /// The verdicts, when the files are sides of one comparison.
  private static Optional<ComparisonReport> comparison(List<ResultFile> files) {
    try {
      return files.size() < 2
          ? Optional.empty()
          : Optional.of(ComparisonReport.of(CompareInputs.of(files, true)));
    } catch (CompareInputs.Nothing e) {
      return Optional.empty();
    }
  }

  private static void pictures(
      List<ResultFile> files,
      List<PlotStudy> studies,
      Optional<String> svg,
      Optional<String> png,
      Set<String> charts,
      PlotTheme theme,
      PrintStream out)
      throws IOException, NoRequests {
    int[] size = new int[2];
    if (svg.isPresent()) {
      List<PlotSvg.Placed> placed = sheet(files, studies, PlotTheme.LIGHT, charts, size);
      String alt =
          studies.isEmpty()
              ? "Benchmark: " + String.join(", ", files.stream().map(ResultFile::name).toList())
              : "Policies: " + String.join(", ", studies.stream().map(PlotStudy::name).toList());
      String text = PlotSvg.draw("p", alt, size[0], size[1], true, placed);
      write(Path.of(svg.get()), text.getBytes(StandardCharsets.UTF_8), out);
    }
    if (png.isPresent()) {
      List<PlotSvg.Placed> placed = sheet(files, studies, theme, charts, size);
      BufferedImage image =
          new BufferedImage(PNG_SCALE * size[0], PNG_SCALE * size[1], BufferedImage.TYPE_INT_RGB);
      Graphics2D g = image.createGraphics();
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      g.setColor(theme.color("bg"));
      g.fillRect(0, 0, image.getWidth(), image.getHeight());
      g.scale(PNG_SCALE, PNG_SCALE);
      placed.forEach(p -> p.chart().draw(g, p.area()));
      g.dispose();
      java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
      ImageIO.write(image, "png", bytes);
      write(Path.of(png.get()), bytes.toByteArray(), out);
    }
  }

  private static List<PlotSvg.Placed> sheet(
      List<ResultFile> files,
      List<PlotStudy> studies,
      PlotTheme theme,
      Set<String> charts,
      int[] size)
      throws NoRequests {
    List<PlotFigures.Figure> figures =
        studies.isEmpty()
            ? new PlotFigures(theme, true, charts).of(files)
            : new PlotStudyFigures(theme, true, charts).of(studies);
    if (figures.isEmpty()) {
      throw new NoRequests(files);
    }
    return PlotFigures.sheet(figures, size);
  }

  private static void write(Path path, byte[] bytes, PrintStream out) throws IOException {
    try {
      Files.write(path, bytes);
    } catch (IOException e) {
      throw new IOException(path + " cannot be written: " + ConfigException.reason(e), e);
    }
    out.println(path);
  }

  /// Whether the JDK failed in its font code: it does so in several ways on a system without any.
  private static boolean aboutFonts(Throwable e) {
    for (Throwable t = e; t != null; t = t.getCause()) {
      for (StackTraceElement at : t.getStackTrace()) {
        if (at.getClassName().startsWith("sun.font.") || at.getClassName().startsWith("sun.awt.")) {
          return true;
        }
      }
    }
    return false;
  }
}
