package org.infinilm.svc.evaluation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.simulator.CostProfile;
import org.infinilm.svc.simulator.LeapSettings;

/// A fleet to evaluate, and its limits.
///
/// @param ttftNanos an answer whose first token comes later has missed
/// @param tpotNanos one whose further tokens take longer than this each, on average, has missed
/// @param thresholdBytes of the size rule
record FleetPlan(
    String name, List<Node> nodes, double ttftNanos, double tpotNanos, long thresholdBytes) {
  /// Of a fleet that says nothing of it.
  static final long USUAL_THRESHOLD_BYTES = 51_200;

  static final int MOST_NODES = 1000;
  private static final Pattern SHORT = Pattern.compile("(\\d{1,3})\\+(\\d{1,3})");
  private static final Pattern SLOW =
      Pattern.compile("([0-9]+\\.?[0-9]*|\\.[0-9]+)@(0|1|0?\\.[0-9]+)\\.\\.(0|1|0?\\.[0-9]+)");

  private static final Pattern DOWN = Pattern.compile("(0|0?\\.[0-9]+)\\.\\.(0|1|0?\\.[0-9]+)");

  FleetPlan {
    nodes = List.copyOf(nodes);
  }

  FleetPlan with(List<Node> others) {
    return new FleetPlan(name, others, ttftNanos, tpotNanos, thresholdBytes);
  }

  FleetPlan withThreshold(long bytes) {
    return new FleetPlan(name, nodes, ttftNanos, tpotNanos, bytes);
  }

  /// `2+2`, two paged and two static instances of the defaults, or a file.
  static FleetPlan of(String word) throws ConfigException {
    return of(word, USUAL_THRESHOLD_BYTES);
  }

  /// @param threshold where the file says none
  static FleetPlan of(String word, long threshold) throws ConfigException {
    Matcher m = SHORT.matcher(word);
    if (m.matches()) {
      StringBuilder text = new StringBuilder();
      for (int k = 1; k <= Integer.parseInt(m.group(1)); k++) {
        text.append("paged-").append(k).append(" paged\n");
      }
      for (int k = 1; k <= Integer.parseInt(m.group(2)); k++) {
        text.append("static-").append(k).append(" static\n");
      }
      return parse(word, text.toString(), threshold);
    }
    try {
      Path file = Path.of(word);
      return parse(word, Files.readString(file), threshold);
    } catch (IOException e) {
      throw new ConfigException(
          "fleet: " + word + " cannot be read (expected: a file, or paged+static as in 2+2)");
    }
  }

  /// An instance as a fleet has it that says no more than its cache type.
  static Node usual(String name, CacheType type) {
    try {
      return node(new Words("usual", "usual " + type.label())).named(name);
    } catch (ConfigException e) {
      throw new IllegalStateException(e);
    }
  }

  /// Lines of words: `NAME paged|static|chunked|slots [setting=value]...` for an instance, and
  /// `limits ttft=2 tpot=0.02 threshold=51200`; `count=N` makes N of an instance. `#` begins a
  /// comment.
  static FleetPlan parse(String name, String text) throws ConfigException {
    return parse(name, text, USUAL_THRESHOLD_BYTES);
  }

  private static FleetPlan parse(String name, String text, long usualThreshold)
      throws ConfigException {
    List<Node> nodes = new ArrayList<>();
    Map<String, Integer> names = new HashMap<>();
    double ttft = 2;
    double tpot = 0.02;
    long threshold = usualThreshold;
    int number = 0;
    for (String raw : text.lines().toList()) {
      number++;
      int comment = raw.indexOf('#');
      String line = (comment < 0 ? raw : raw.substring(0, comment)).strip();
      if (line.isEmpty()) {
        continue;
      }
      Words w = new Words(name + ":" + number, line);
      if (w.first().equals("limits")) {
        ttft = w.number("ttft", ttft, 0.001, 3600);
        tpot = w.number("tpot", tpot, 1e-5, 60);
        threshold = (long) w.number("threshold", (double) threshold, 0, 1e12);
      } else {
        int count = (int) w.number("count", 1, 1, MOST_NODES);
        if (names.putIfAbsent(w.first(), number) != null || nodes.size() + count > MOST_NODES) {
          throw w.wrong(w.first(), "a new name, at most " + MOST_NODES + " instances");
        }
        Node node = node(w);
        for (int k = 1; k <= count; k++) {
          String one = String.format(Locale.ROOT, "%s-%04d", w.first(), k);
          nodes.add(count == 1 ? node : node.named(one));
        }
      }
      w.done();
    }
    if (nodes.isEmpty()) {
      throw new ConfigException(
          name + ": no instance (expected: lines of NAME paged|static|chunked|slots)");
    }
    nodes.sort((a, b) -> a.name().compareTo(b.name()));
    return new FleetPlan(name, nodes, ttft * 1e9, tpot * 1e9, threshold);
  }

  private static Node node(Words w) throws ConfigException {
    LeapSettings.Kind kind =
        switch (w.second()) {
          case "paged" -> LeapSettings.Kind.PAGED;
          case "static" -> LeapSettings.Kind.STATIC;
          case "chunked" -> LeapSettings.Kind.CHUNKED;
          case "slots" -> LeapSettings.Kind.SLOTS;
          default -> throw w.wrong(w.second(), "paged, static, chunked or slots");
        };
    String profile = w.word("profile", "9b");
    if (!CostProfile.NAMES.contains(profile)) {
      throw w.wrong("profile=" + profile, "one of " + String.join(", ", CostProfile.NAMES));
    }
    CostProfile cost = CostProfile.of(profile, kind.cacheType());
    int tokens =
        (int)
            w.number(
                "tokens",
                switch (kind) {
                  case PAGED, CHUNKED -> 131_072;
                  case STATIC, SLOTS -> 16_384;
                },
                256,
                1 << 26);
    int block =
        switch (kind) {
          case PAGED -> 256;
          case CHUNKED -> 16;
          case STATIC, SLOTS -> 1;
        };
    int batch =
        (int)
            w.number(
                "batch",
                switch (kind) {
                  case PAGED -> 8;
                  case STATIC -> 1;
                  case SLOTS -> 4;
                  case CHUNKED -> 32;
                },
                1,
                kind == LeapSettings.Kind.STATIC ? 1 : 512);
    int step =
        (int) w.number("step", kind == LeapSettings.Kind.PAGED ? 1024 : 2048, batch, 1 << 20);
    int seats =
        (int)
            w.number(
                "seats",
                switch (kind) {
                  case PAGED -> 0;
                  case STATIC -> Node.BY_POLICY;
                  case CHUNKED, SLOTS -> batch;
                },
                0,
                1_000_000);
    LeapSettings engine = new LeapSettings(kind, cost, batch, tokens / block, block, step, true);
    Node node = new Node(w.first(), engine, seats);
    String slow = w.word("slow", "");
    String down = w.word("down", "");
    node = down.isEmpty() ? node : down(w, node, down);
    return slow.isEmpty() ? node : slow(w, node, slow);
  }

  private static Node slow(Words w, Node node, String slow) throws ConfigException {
    Matcher m = SLOW.matcher(slow);
    if (!m.matches()) {
      throw w.wrong("slow=" + slow, "FACTOR@FROM..TO, as in 3@.3..0.7");
    }
    double from = Double.parseDouble(m.group(2));
    double to = Double.parseDouble(m.group(3));
    double factor = Double.parseDouble(m.group(1));
    if (!(factor >= 0.01 && factor <= 1000) || from >= to) {
      throw w.wrong("slow=" + slow, "a factor of 0.01..1000, and FROM below TO");
    }
    return node.slow(factor, from, to);
  }

  private static Node down(Words w, Node node, String down) throws ConfigException {
    Matcher m = DOWN.matcher(down);
    if (!m.matches()) {
      throw w.wrong("down=" + down, "FROM..TO, as in .3..0.7");
    }
    double from = Double.parseDouble(m.group(1));
    double to = Double.parseDouble(m.group(2));
    if (from >= to) {
      throw w.wrong("down=" + down, "FROM below TO");
    }
    return node.down(from, to);
  }

  /// The words of one line.
  private static final class Words {
    private final String place;
    private final String[] words;
    private final Map<String, String> settings = new HashMap<>();

    Words(String place, String line) throws ConfigException {
      this.place = place;
      this.words = line.split("\\s+");
      for (int k = first().equals("limits") ? 1 : 2; k < words.length; k++) {
        int at = words[k].indexOf('=');
        if (at < 1 || settings.put(words[k].substring(0, at), words[k].substring(at + 1)) != null) {
          throw wrong(words[k], "setting=value, each once");
        }
      }
    }

    String first() {
      return words[0];
    }

    String second() throws ConfigException {
      if (words.length < 2) {
        throw wrong(words[0], "NAME paged|static|chunked|slots");
      }
      return words[1];
    }

    String word(String setting, String fallback) {
      String v = settings.remove(setting);
      return v == null ? fallback : v;
    }

    double number(String setting, double fallback, double least, double most)
        throws ConfigException {
      String v = settings.remove(setting);
      if (v == null) {
        return fallback;
      }
      try {
        double d = Double.parseDouble(v);
        if (d >= least && d <= most) {
          return d;
        }
      } catch (NumberFormatException e) {
        // said below
      }
      throw wrong(setting + "=" + v, plain(least) + ".." + plain(most));
    }

    private static String plain(double d) {
      return d == Math.rint(d) ? Long.toString((long) d) : Double.toString(d);
    }

    void done() throws ConfigException {
      if (!settings.isEmpty()) {
        throw wrong(
            settings.keySet().iterator().next(),
            first().equals("limits")
                ? "ttft, tpot or threshold"
                : "profile, tokens, batch, step, seats, count, slow or down");
      }
    }

    ConfigException wrong(String value, String expected) {
      return new ConfigException(place + ": " + value + " (expected: " + expected + ")");
    }
  }
}
