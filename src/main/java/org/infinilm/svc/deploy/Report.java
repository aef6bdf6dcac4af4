package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.http.Json;

/// Collects checks and prints each as one line when it is done, or all as one JSON document at the
/// end. One thread.
final class Report {
  private final Terminal terminal;
  private final boolean json;
  private final List<Check> checks = new ArrayList<>();

  Report(Terminal terminal, boolean json) {
    this.terminal = terminal;
    this.json = json;
  }

  void add(Check check) {
    checks.add(check);
    if (!json) {
      terminal.line(line(check));
    }
  }

  private String line(Check c) {
    return c.ok()
        ? terminal.green("ok  ") + "  " + c.name() + ": " + c.seen()
        : terminal.red("FAIL")
            + "  "
            + c.name()
            + ": expected "
            + c.expected()
            + "; seen "
            + c.seen();
  }

  List<Check> checks() {
    return List.copyOf(checks);
  }

  /// Prints the summary; returns the exit code.
  int finish() {
    long failed = checks.stream().filter(c -> !c.ok()).count();
    long passed = checks.size() - failed;
    if (json) {
      Map<String, Object> out = new TreeMap<>();
      out.put("checks", checks.stream().map(Check::json).toList());
      out.put("passed", passed);
      out.put("failed", failed);
      out.put("ok", failed == 0);
      terminal.line(Json.text(out));
    } else {
      String counts = "Passed: " + passed + "  Failed: " + failed;
      terminal.line(failed == 0 ? terminal.green(counts) : terminal.red(counts));
    }
    return failed == 0 ? 0 : 1;
  }
}
