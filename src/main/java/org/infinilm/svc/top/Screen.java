package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.infinilm.svc.top.Look.Panel;
import org.jspecify.annotations.Nullable;

/// Draws a board as lines of a width. Pure.
///
/// @param ascii whether only ASCII may be drawn
/// @param zone of the times
record Screen(String address, boolean ascii, ZoneId zone) {
  private static final String BLOCKS = "▁▂▃▄▅▆▇█";
  private static final String DOTS = "_.-:=+*#";
  private static final int LEAST_WIDTH = 40;

  /// From here on there is room for what else is known of instances.
  private static final int WIDE = 96;

  private static final int WIDE_COLUMNS = 20;

  /// Of a pool's name, and of the bars beside it where there are any.
  private static final int POOL = 7;

  private static final int LEAST_BARS = 8;

  /// Of requests in flight where the figures are small.
  private static final int FLIGHT = 5;

  /// How a part of a line looks, where there are colours.
  enum Style {
    PLAIN,
    BOLD,
    DIM,
    PAGED,
    STATIC,
    GOOD,
    WARNING,
    BAD,
    MARKED
  }

  record Part(String text, Style style) {}

  /// A line; its text never takes more columns than the screen has.
  record Line(List<Part> parts) {
    static Line of(Object... textsAndStyles) {
      List<Part> out = new ArrayList<>();
      for (int k = 0; k < textsAndStyles.length; k += 2) {
        out.add(new Part((String) textsAndStyles[k], (Style) textsAndStyles[k + 1]));
      }
      return new Line(out);
    }

    String text() {
      StringBuilder b = new StringBuilder();
      parts.forEach(p -> b.append(p.text()));
      return b.toString();
    }

    private Line within(int width) {
      List<Part> out = new ArrayList<>();
      int left = width;
      for (Part p : parts) {
        String t = Columns.first(p.text(), left);
        out.add(new Part(t, p.style()));
        if (t.length() < p.text().length()) {
          break;
        }
        left -= Columns.of(t);
      }
      return new Line(out);
    }
  }

  /// @param height lines; 0 for as many as there is to say
  /// @param stale how old the data is in words, or empty
  List<Line> draw(Board b, Look look, int width, int height, String stale) {
    int w = Math.max(LEAST_WIDTH, width);
    List<Line> out = new ArrayList<>();
    header(b, look, w, stale, out);
    JsonNode pools = b.last().path("pools");
    int flight = FLIGHT;
    for (JsonNode p : pools) {
      flight = Math.max(flight, 1 + flight(p).length());
    }
    for (JsonNode p : pools) {
      out.add(pool(b, p, w, flight));
    }
    out.add(Line.of("", Style.PLAIN));
    if (look.help()) {
      help(out);
    } else {
      int left = height == 0 ? Integer.MAX_VALUE : height - out.size() - 1;
      table(b, look, w, left, out);
    }
    Line foot = foot(look, w);
    if (height > 0) {
      while (out.size() < height - 1) {
        out.add(Line.of("", Style.PLAIN));
      }
      out = new ArrayList<>(out.subList(0, Math.max(0, height - 1)));
      out.add(foot);
    }
    return out.stream().map(l -> l.within(w)).toList();
  }

  private void header(Board b, Look look, int w, String stale, List<Line> out) {
    JsonNode s = b.last().path("summary");
    String right =
        look.paused()
            ? "paused"
            : stale.isEmpty() ? Words.clock(b.last().path("epoch_ms").asLong(), zone) : stale;
    String left = "InfiniLM router  " + address;
    Style style = stale.isEmpty() ? Style.DIM : Style.BAD;
    out.add(
        Line.of(
            pad(left, w - Columns.of(right) - 1),
            Style.BOLD,
            " " + right,
            look.paused() ? Style.WARNING : style));
    out.add(state(s, w));
  }

  /// How it stands: how many are in service and what fails are there at any width; what else is
  /// known as far as there is room.
  private static Line state(JsonNode s, int w) {
    boolean none = s.path("instances").asInt() == 0;
    String status = none ? "down" : s.path("status").asText();
    Style style =
        status.equals("serving") ? Style.GOOD : status.equals("down") ? Style.BAD : Style.WARNING;
    String served = s.path("routable").asInt() + " of " + s.path("instances").asInt();
    String waiting = ", " + Words.count(s.path("queued")) + " waiting";
    String rate = ", " + Words.rate(s.path("requests_per_second")) + " req/s";
    String flight = ", " + Words.count(s.path("in_flight")) + " in flight";
    String errors = ", " + Words.count(s.path("errors_last_minute")) + " err/min";
    Style bad = s.path("errors_last_minute").asLong() > 0 ? Style.BAD : Style.PLAIN;
    String all = rate + flight + waiting;
    String in = none ? "" : served + " in service";
    List<Line> ways = new ArrayList<>();
    ways.add(
        Line.of(
            (none ? "No instance is known" : words(status)) + in,
            style,
            all,
            Style.PLAIN,
            errors,
            bad));
    for (String lead : List.of(none ? "No instance" : shortWords(status), none ? "None" : "")) {
      for (String more : List.of(all, rate + waiting, waiting, "")) {
        ways.add(Line.of(lead + in, style, more, Style.PLAIN, errors, bad));
      }
    }
    return ways.stream().filter(l -> Columns.of(l.text()) <= w).findFirst().orElse(ways.getLast());
  }

  private static String words(String status) {
    return switch (status) {
      case "serving" -> "Serving: ";
      case "degraded" -> "Serving, with instances out: ";
      case "down" -> "Not serving: ";
      case "asleep" -> "Asleep until a request comes: ";
      case "ending" -> "The router is ending: ";
      default -> Words.printable(status) + ": ";
    };
  }

  /// The same where there is less room.
  private static String shortWords(String status) {
    return switch (status) {
      case "degraded" -> "Instances out: ";
      case "asleep" -> "Asleep: ";
      case "ending" -> "Ending: ";
      default -> words(status);
    };
  }

  /// What does not fit is left out whole, the least needed first.
  ///
  /// @param flight columns of the requests in flight, the same for all pools
  private Line pool(Board b, JsonNode p, int w, int flight) {
    String name = p.path("pool").asText();
    Style colour = colour(name);
    List<String> figures =
        new ArrayList<>(
            List.of(
                right(Words.rate(p.path("requests_per_second")) + "/s", 8),
                "  ttft " + right(Words.seconds(p.path("ttft_p50")), 6),
                " p95 " + right(Words.seconds(p.path("ttft_p95")), 6),
                " tpot " + right(Words.seconds(p.path("tpot_p50")), 6),
                right(Words.rate(p.path("tokens_per_second").path("completion")), 6) + " tok/s",
                right(flight(p), flight) + " in flight"));
    int left = w - POOL - figures.stream().mapToInt(Columns::of).sum();
    while (left < LEAST_BARS && figures.size() > 3) {
      left += Columns.of(figures.remove(figures.size() - 2));
    }
    if (left < 0) {
      figures.remove(1);
    }
    int wide = left < LEAST_BARS ? 0 : Math.min(left, Board.HISTORY);
    return Line.of(
        pad(name.equals("any") ? "other" : Words.printable(name), POOL),
        colour,
        spark(b.rates(name), wide),
        colour,
        String.join("", figures),
        Style.PLAIN);
  }

  private static String flight(JsonNode pool) {
    String places = pool.path("seats").isNumber() ? "/" + pool.path("seats").asLong() : "";
    return pool.path("in_flight").asLong() + places;
  }

  /// The last values as bars, the newest at the right.
  String spark(List<Double> values, int width) {
    String bars = ascii ? DOTS : BLOCKS;
    List<Double> shown = values.subList(Math.max(0, values.size() - width), values.size());
    double most = shown.stream().mapToDouble(v -> v).max().orElse(0);
    StringBuilder b = new StringBuilder(" ".repeat(width - shown.size()));
    for (double v : shown) {
      int k = most <= 0 ? 0 : (int) Math.round(v / most * (bars.length() - 1));
      b.append(bars.charAt(Math.clamp(k, 0, bars.length() - 1)));
    }
    return b.toString();
  }

  private static Style colour(String pool) {
    return pool.equals("paged") ? Style.PAGED : pool.equals("static") ? Style.STATIC : Style.PLAIN;
  }

  /// The instances that the filter leaves, sorted.
  static List<JsonNode> rows(Board b, Look look) {
    String filter = look.filter().toLowerCase(Locale.ROOT);
    Comparator<JsonNode> by =
        switch (look.sort()) {
          case NAME -> Comparator.comparing(i -> i.path("name").asText());
          case IN_FLIGHT -> most("in_flight");
          case P95 -> most("ttft_p95");
          case ERRORS -> most("errors_last_minute");
          case REQUESTS -> most("requests_total");
        };
    Comparator<JsonNode> then =
        (look.reversed() ? by.reversed() : by).thenComparing(i -> i.path("name").asText());
    return b.instances().stream()
        .filter(i -> Stream.of(filter.split("\\s+")).allMatch(word -> hay(i).contains(word)))
        .sorted(then)
        .toList();
  }

  private static String hay(JsonNode i) {
    return (i.path("name").asText()
            + " "
            + i.path("pool").asText()
            + " "
            + Words.text(i.path("state"))
            + " "
            + i.path("models"))
        .toLowerCase(Locale.ROOT);
  }

  private static Comparator<JsonNode> most(String field) {
    return Comparator.comparingDouble((JsonNode i) -> i.path(field).asDouble(-1)).reversed();
  }

  /// The instance that is marked.
  static Look.@Nullable Target target(Board b, Look look) {
    List<JsonNode> rows = rows(b, look);
    if (rows.isEmpty()) {
      return null;
    }
    JsonNode i = rows.get(Math.clamp(look.marked(), 0, rows.size() - 1));
    return new Look.Target(i.path("name").asText(), i.path("drained_here").asBoolean());
  }

  private void table(Board b, Look look, int w, int left, List<Line> out) {
    List<JsonNode> rows = rows(b, look);
    Table t = Table.of(w);
    String sorted = ascii ? "*" : "↓";
    out.add(
        Line.of(
            pad("  INSTANCE" + (look.sort() == Look.Sort.NAME ? sorted : ""), t.name())
                + " "
                + (t.pool() ? pad("POOL", POOL) : "")
                + pad("STATE", 11)
                + head("FLIGHT", 8, look.sort() == Look.Sort.IN_FLIGHT)
                + (t.p95() ? head("P95", 9, look.sort() == Look.Sort.P95) : "")
                + (t.wide() ? right("KV USE", 9) + right("RESTARTS", 11) : "")
                + head("ERR", 6, look.sort() == Look.Sort.ERRORS)
                + (t.requests() ? head("REQUESTS", 12, look.sort() == Look.Sort.REQUESTS) : ""),
            Style.DIM));
    int room =
        left == Integer.MAX_VALUE
            ? rows.size()
            : Math.clamp(rows.size(), 1, Math.max(1, (left - 1) / 2));
    int marked = Math.clamp(look.marked(), 0, Math.max(0, rows.size() - 1));
    int from = Math.clamp(marked - room + 1, 0, Math.max(0, rows.size() - room));
    for (int k = from; k < Math.min(rows.size(), from + room); k++) {
      out.add(row(rows.get(k), t, left != Integer.MAX_VALUE && k == marked));
    }
    if (rows.isEmpty()) {
      out.add(
          Line.of(
              look.filter().isEmpty() ? "  none is known" : "  none fits " + look.filter(),
              Style.DIM));
    } else if (rows.size() > room) {
      out.add(Line.of("  " + (rows.size() - room) + " more", Style.DIM));
    }
    out.add(Line.of("", Style.PLAIN));
    panel(b, look.panel(), w, out);
  }

  /// Which columns the table of instances has: state, requests in flight and errors at any width.
  ///
  /// @param name columns of the name
  private record Table(int name, boolean pool, boolean p95, boolean wide, boolean requests) {
    private static final int LEAST_NAME = 12;

    /// Of the name's blank, state, requests in flight and errors.
    private static final int ALWAYS = 26;

    static Table of(int w) {
      int left = w - ALWAYS - LEAST_NAME;
      boolean p95 = left >= 9;
      boolean pool = left >= 9 + POOL;
      boolean requests = left >= 9 + POOL + 12;
      boolean wide = w >= WIDE;
      int rest = (p95 ? 9 : 0) + (pool ? POOL : 0) + (requests ? 12 : 0);
      return new Table(w - ALWAYS - rest - (wide ? WIDE_COLUMNS : 0), pool, p95, wide, requests);
    }
  }

  private static String head(String word, int width, boolean sorted) {
    return right(sorted ? word + "*" : word, width);
  }

  private Line row(JsonNode i, Table t, boolean marked) {
    String state = Words.text(i.path("state"));
    String places = i.path("seats").isNumber() ? "/" + i.path("seats").asLong() : "";
    long errors = i.path("errors_last_minute").asLong();
    boolean any = i.path("requests_last_minute").asLong() > 0;
    String pool = i.path("pool").asText();
    return Line.of(
        (marked ? "> " : "  ") + pad(Words.text(i.path("name")), t.name() - 2) + " ",
        marked ? Style.MARKED : Style.PLAIN,
        t.pool() ? pad(pool.equals("any") ? "-" : Words.printable(pool), POOL) : "",
        colour(pool),
        pad(state, 11),
        state.equals("routable") ? Style.GOOD : state.equals("ejected") ? Style.BAD : Style.WARNING,
        right(i.path("in_flight").asLong() + places, 8)
            + (t.p95() ? right(Words.seconds(i.path("ttft_p95")), 9) : "")
            + (t.wide() ? more(i) : ""),
        Style.PLAIN,
        right(any ? Long.toString(errors) : "-", 6),
        errors > 0 ? Style.BAD : Style.PLAIN,
        t.requests() ? right(Words.count(i.path("requests_total")), 12) : "",
        Style.PLAIN);
  }

  private static String more(JsonNode i) {
    return right(Words.percent(i.path("kv_cache_usage")), 9)
        + right(Words.count(i.path("restarts")), 11);
  }

  private void panel(Board b, Panel panel, int w, List<Line> out) {
    switch (panel) {
      case DECISIONS -> {
        out.add(Line.of("  LAST DECISIONS", Style.DIM));
        b.decisions().forEach(d -> out.add(decision(d, w)));
      }
      case REQUESTS -> {
        JsonNode f = b.last().path("flights");
        out.add(
            Line.of(
                "  IN FLIGHT: "
                    + f.path("queued").asInt()
                    + " wait for a place, "
                    + f.path("prefill").asInt()
                    + " for the first token, "
                    + f.path("decode").asInt()
                    + " get their answer",
                Style.DIM));
        f.path("oldest").forEach(r -> out.add(flight(r, w)));
      }
      case ERRORS -> {
        out.add(Line.of("  WHAT DID NOT END WELL", Style.DIM));
        b.errors().forEach(e -> out.add(error(e, w)));
      }
      case EVENTS -> {
        out.add(Line.of("  EVENTS", Style.DIM));
        b.events().forEach(e -> out.add(event(e)));
      }
    }
  }

  /// How it ended is there at any width.
  private Line decision(JsonNode d, int w) {
    boolean ok = d.path("outcome").asText().equals("ok");
    long millis = java.time.Instant.parse(d.path("time").asText()).toEpochMilli();
    boolean all = w >= 80;
    boolean size = w >= 60;
    int name = Math.max(8, w - (all ? 70 : size ? 51 : 31));
    return Line.of(
        "  "
            + Words.clock(millis, zone)
            + (size ? right(Words.size(d.path("size")), 9) : "")
            + "  ",
        Style.PLAIN,
        pad(Words.text(d.path("instance")), name) + " ",
        colour(d.path("pool").asText()),
        (all ? pad(Words.text(d.path("reason")), 10) : "")
            + (size ? right(Words.seconds(d.path("ttft_seconds")), 9) : "")
            + (all ? right(Words.seconds(d.path("total_seconds")), 9) : "")
            + (size ? "  " : ""),
        Style.PLAIN,
        ok ? "ok" : Words.text(d.path("outcome")) + " " + d.path("status").asInt(),
        ok ? Style.GOOD : Style.BAD);
  }

  private static Line flight(JsonNode r, int w) {
    return Line.of(
        "  "
            + right(Words.seconds(r.path("age_seconds")), 8)
            + "  "
            + pad(Words.text(r.path("stage")), 8)
            + right(Words.size(r.path("size")), 9)
            + "  ",
        Style.PLAIN,
        pad(Words.text(r.path("instance")), Math.max(10, w - 64)) + " ",
        colour(r.path("pool").asText()),
        pad(Words.text(r.path("reason")), 10) + Words.text(r.path("model")),
        Style.PLAIN);
  }

  private Line error(JsonNode e, int w) {
    return Line.of(
        "  "
            + right(e.path("count").asText(), 6)
            + "  "
            + pad(Words.text(e.path("outcome")), 15)
            + right(e.path("status").asText(), 4)
            + "  "
            + pad(Words.text(e.path("instance")), Math.max(9, w - 45))
            + (w < 54 ? "" : " last " + Words.clock(e.path("last_ms").asLong(), zone)),
        Style.PLAIN);
  }

  private Line event(JsonNode e) {
    String why = e.path("why").isTextual() ? ": " + Words.text(e.path("why")) : "";
    return Line.of(
        "  " + Words.clock(e.path("epoch_ms").asLong(), zone) + "  ",
        Style.DIM,
        Words.text(e.path("instance")) + " " + Words.text(e.path("state")) + why,
        Style.PLAIN);
  }

  private static void help(List<Line> out) {
    for (String s :
        List.of(
            "  s / S        sort by the next column / the other way round",
            "  /            filter by name, pool, state or model; Esc forgets it",
            "  up down j k  mark an instance; page up, page down",
            "  D            drain the marked instance at this router, or put it back (asks)",
            "  d r e v      below: last decisions, requests in flight, errors, events",
            "  p            pause",
            "  q            end",
            "",
            "  Percentiles are of the last minute. A dash means: not known.")) {
      out.add(Line.of(s, Style.PLAIN));
    }
  }

  private static Line foot(Look look, int w) {
    Look.Question q = look.question();
    if (q != null) {
      return Line.of(q.text(w), Style.WARNING);
    }
    if (look.typing() != null) {
      return Line.of("Filter: " + look.typing() + "_", Style.BOLD);
    }
    String filter = look.filter().isEmpty() ? "" : "  filter: " + look.filter();
    return Line.of(
        "q quit  s sort ("
            + look.sort().word()
            + ")  / filter  D drain  d r e v panels  ? help"
            + filter,
        Style.DIM);
  }

  private static String pad(String s, int columns) {
    return Columns.pad(s, columns);
  }

  private static String right(String s, int columns) {
    return Columns.right(s, columns);
  }
}
