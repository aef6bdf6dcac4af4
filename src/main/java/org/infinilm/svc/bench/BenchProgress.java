package org.infinilm.svc.bench;

import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.HdrHistogram.Histogram;
import org.infinilm.svc.load.LoadRun;

/// One line that follows a run, on a terminal only; plain text without colours. Not thread-safe.
final class BenchProgress {
  private final PrintStream out;
  private final boolean shown;
  private final int requests;
  private int width;
  private double lastAt;
  private long lastDone;
  private long lastChunks;

  BenchProgress(PrintStream out, boolean shown, int requests) {
    this.out = out;
    this.shown = shown;
    this.requests = requests;
  }

  /// @param wanted whether the user wants one where there is a terminal
  static BenchProgress of(PrintStream err, Map<String, String> env, boolean wanted, int requests) {
    return new BenchProgress(
        err, wanted && isTerminal() && !"dumb".equals(env.get("TERM")), requests);
  }

  private static boolean isTerminal() {
    try {
      String at = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
      return at.startsWith("/dev/pts/") || at.startsWith("/dev/tty") || at.equals("/dev/console");
    } catch (IOException | UnsupportedOperationException notLinux) {
      return Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    }
  }

  void show(LoadRun.Progress p, Histogram ttft, double seconds) {
    if (!shown) {
      return;
    }
    double since = Math.max(1e-9, seconds - lastAt);
    String text =
        String.format(
            Locale.ROOT,
            "%d/%d done, %d in flight, %d failed, %.1f req/s, %.0f chunks/s%s, %.0f s",
            p.done(),
            requests,
            p.inFlight(),
            p.failed(),
            (p.done() - lastDone) / since,
            (p.chunks() - lastChunks) / since,
            ttft.getTotalCount() == 0
                ? ""
                : String.format(
                    Locale.ROOT, ", TTFT p50 %.0f ms", ttft.getValueAtPercentile(50) / 1e6),
            seconds);
    lastAt = seconds;
    lastDone = p.done();
    lastChunks = p.chunks();
    line(text);
  }

  void clear() {
    if (shown && width > 0) {
      line("");
      out.print('\r');
      out.flush();
    }
  }

  private void line(String text) {
    out.print('\r' + text + " ".repeat(Math.max(0, width - text.length())));
    out.flush();
    width = text.length();
  }
}
