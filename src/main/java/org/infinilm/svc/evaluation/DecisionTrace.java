package org.infinilm.svc.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.simulator.LeapJob;
import org.jspecify.annotations.Nullable;

/// A router's decision log as traffic: the recorded times, each request with what it came to.
final class DecisionTrace implements Traffic {
  private static final int VERSION = 1;
  private static final int MOST_REQUESTS = 2_000_000;
  private static final int MOST_LINE = 1 << 16;
  private static final int MOST_TOKENS = 1 << 24;
  private static final int ENGINE_MAX_TOKENS = 2048;
  private static final int MOST_NAMED = 3;

  /// Where all are below it, it says no more.
  private static final double MOST_THRESHOLD = 1e15;

  private static final int MOST_RUNS = 100;
  private static final double DAY_SECONDS = 86_400;
  private static final double MOST_OFF_SECONDS = 366 * DAY_SECONDS;

  /// Of two times, as they were rounded.
  private static final double ROUNDED_SECONDS = 1e-3;

  /// A log that is a pause for so much of its time has no rate to speak of.
  private static final double MOSTLY = 0.9;

  private static final double LEAST_PAUSE_SECONDS = 3600;

  /// One answered request.
  ///
  /// @param firstSeconds from its coming to the first token, what it waited in line included; of an
  ///   answer that came whole, to its end
  /// @param streamed whether `firstSeconds` is a first token's
  /// @param answerSeconds from its coming to the end, likewise
  /// @param thresholdBytes of the size rule that it met, in bytes of a body like its own; negative
  ///   where that is not said
  record Row(
      double seconds,
      int bytes,
      int prompt,
      int output,
      int max,
      int cached,
      long key,
      Text text,
      String instance,
      String cacheType,
      boolean streamed,
      double firstSeconds,
      double answerSeconds,
      double thresholdBytes) {
    Row as(int length) {
      return new Row(
          seconds,
          bytes,
          prompt,
          length,
          max,
          cached,
          key,
          text,
          instance,
          cacheType,
          streamed,
          firstSeconds,
          answerSeconds,
          thresholdBytes);
    }
  }

  private final String name;
  private final List<Row> rows;
  private final int left;
  private final int others;
  private final List<String> problems;

  /// Those whose length is not known and is that of another.
  private final BitSet guessed = new BitSet();

  private DecisionTrace(String name, List<Row> rows, int left, int others, List<String> problems) {
    this.name = name;
    this.rows = whole(rows);
    this.left = left;
    this.others = others;
    this.problems = problems;
  }

  /// Those without a length get that of one by lot of those that have one, at most what they asked
  /// for.
  private List<Row> whole(List<Row> of) {
    List<Row> known = of.stream().filter(r -> r.output() > 0).toList();
    if (known.isEmpty() || known.size() == of.size()) {
      return List.copyOf(of);
    }
    List<Row> out = new ArrayList<>(of.size());
    Draws lot = new Draws(1);
    for (int k = 0; k < of.size(); k++) {
      Row r = of.get(k);
      if (r.output() == 0) {
        guessed.set(k);
        int n = known.get((int) (lot.unit(k, 0) * known.size())).output();
        r = r.as(r.max() > 0 ? Math.min(n, r.max()) : n);
      }
      out.add(r);
    }
    return List.copyOf(out);
  }

  /// Requests whose length is not known.
  int guessed() {
    return guessed.cardinality();
  }

  @Override
  public boolean counts(int id) {
    return !guessed.get(id);
  }

  /// Of requests in the order of their coming.
  static DecisionTrace of(String name, List<Row> rows) {
    return new DecisionTrace(name, List.copyOf(rows), 0, 0, List.of());
  }

  /// @param model whose requests are meant; null for the only one
  /// @throws ConfigException when it cannot be read, holds too few requests, or several models of
  ///   which none is named; a broken line is left out and named in [#problems]
  static DecisionTrace read(Path file, @Nullable String model) throws ConfigException {
    Models models = new Models();
    List<Row> rows = new ArrayList<>();
    List<Integer> numbers = new ArrayList<>();
    int left = 0;
    Broken broken = new Broken(file, "were broken");
    JsonMapper mapper =
        JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
    try (LineReader in = new LineReader(file)) {
      for (String line = in.next(); line != null; line = in.next()) {
        if (line.isBlank()) {
          continue;
        }
        if (rows.size() == MOST_REQUESTS) {
          throw new ConfigException(
              file + ": more than " + MOST_REQUESTS + " requests (expected: at most that many)");
        }
        try {
          if (in.isTooLong()) {
            throw new IllegalArgumentException(
                "more than " + LineReader.MOST + " bytes (expected: a decision's line)");
          }
          if (!in.isText()) {
            throw new IllegalArgumentException("no UTF-8 (expected: a decision's line)");
          }
          JsonNode n = tree(mapper, line);
          Row r = row(n);
          String modelOf = n.path("model").asText();
          if (r == null) {
            left++;
          } else {
            rows.add(r);
            numbers.add(in.number());
            models.add(modelOf);
          }
        } catch (IllegalArgumentException e) {
          broken.add(in.number(), String.valueOf(e.getMessage()));
        }
      }
    } catch (IOException e) {
      throw new ConfigException(file + ": cannot be read (expected: a decision log)");
    }
    List<String> problems = new ArrayList<>(broken.words());
    problems.addAll(withoutOddTimes(file, rows, numbers, models));
    long known = rows.stream().filter(r -> r.output() > 0).count();
    if (known < 2) {
      throw new ConfigException(
          file
              + ": "
              + known
              + " answered requests with token counts (expected: 2 or more)"
              + (problems.isEmpty() ? "" : "; " + problems.getFirst()));
    }
    List<Row> of = models.of(file, rows, model);
    int others = rows.size() - of.size();
    long knownOf = of.stream().filter(r -> r.output() > 0).count();
    if (knownOf < 2) {
      throw new ConfigException(
          file + ": " + knownOf + " requests of " + model + " (expected: 2 or more)");
    }
    of.sort(Comparator.comparingDouble(Row::seconds));
    return new DecisionTrace(
        String.valueOf(file.getFileName()), List.copyOf(of), left, others, List.copyOf(problems));
  }

  /// Leaves out what is more than a year away from the middle of all: a clock that stood still, or
  /// was years off, would stretch the whole log.
  private static List<String> withoutOddTimes(
      Path file, List<Row> rows, List<Integer> numbers, Models models) {
    Broken odd = new Broken(file, "were as far off");
    double[] times = rows.stream().mapToDouble(Row::seconds).sorted().toArray();
    double middle = times.length == 0 ? 0 : times[times.length / 2];
    BitSet out = new BitSet();
    for (int k = 0; k < rows.size(); k++) {
      double t = rows.get(k).seconds();
      if (Math.abs(t - middle) > MOST_OFF_SECONDS) {
        out.set(k);
        odd.add(
            numbers.get(k),
            String.format(
                Locale.ROOT,
                "time_ms: %.0f (expected: within %d days of the middle of all, %.0f)",
                1e3 * t,
                (long) (MOST_OFF_SECONDS / DAY_SECONDS),
                1e3 * middle));
      }
    }
    if (!out.isEmpty()) {
      models.without(out);
      List<Row> good = new ArrayList<>(rows.size());
      for (int k = 0; k < rows.size(); k++) {
        if (!out.get(k)) {
          good.add(rows.get(k));
        }
      }
      rows.clear();
      rows.addAll(good);
    }
    return odd.words();
  }

  /// Lines that count for nothing: of the first ones each with why, of the others the numbers.
  private static final class Broken {
    private final Path file;
    private final String what;
    private final List<String> named = new ArrayList<>();
    private final Runs further = new Runs();

    Broken(Path file, String what) {
      this.file = file;
      this.what = what;
    }

    void add(int number, String why) {
      if (named.size() < MOST_NAMED) {
        named.add(file + ":" + number + ": " + why);
      } else {
        further.add(number);
      }
    }

    /// All of them; none comes after this.
    List<String> words() {
      if (further.count > 0) {
        named.add(file + ": " + further.count + " more lines " + what + ": " + further.words());
      }
      return named;
    }
  }

  /// Numbers that rise, in words: those beside each other as one run, of the first runs.
  private static final class Runs {
    private final List<String> ended = new ArrayList<>();
    private int from;
    private int to;
    private int shown;
    private int count;

    void add(int number) {
      count++;
      if (count > 1 && number == to + 1) {
        to = number;
        return;
      }
      end();
      from = number;
      to = number;
    }

    private void end() {
      if (from > 0 && ended.size() < MOST_RUNS) {
        ended.add(from == to ? "" + from : from + "-" + to);
        shown += to - from + 1;
      }
    }

    /// All of them; none comes after this.
    String words() {
      end();
      return String.join(", ", ended)
          + (shown < count ? " and " + (count - shown) + " further ones" : "");
    }
  }

  /// Whose requests the rows are: engines of several models are not one fleet.
  private static final class Models {
    private static final int MOST_SHOWN = 20;

    /// Of each row, in order.
    private final List<String> ofRows = new ArrayList<>();

    private final Map<String, Integer> counts = new TreeMap<>();

    void add(String model) {
      counts.merge(model, 1, Integer::sum);
      ofRows.add(model);
    }

    /// Some rows are none.
    void without(BitSet rows) {
      List<String> all = List.copyOf(ofRows);
      ofRows.clear();
      counts.clear();
      for (int k = 0; k < all.size(); k++) {
        if (!rows.get(k)) {
          add(all.get(k));
        }
      }
    }

    /// The rows of one model; those that name none are of the only one.
    List<Row> of(Path file, List<Row> rows, @Nullable String asked) throws ConfigException {
      List<String> named = counts.keySet().stream().filter(m -> !m.isEmpty()).toList();
      if (asked == null && named.size() > 1) {
        throw new ConfigException(
            file + ": " + named.size() + " models (expected: --model, one of " + shown() + ")");
      }
      if (asked != null && !counts.containsKey(asked)) {
        throw new ConfigException("--model: " + asked + " (expected: one of " + shown() + ")");
      }
      if (named.size() <= 1) {
        return rows;
      }
      List<Row> out = new ArrayList<>();
      for (int k = 0; k < rows.size(); k++) {
        if (ofRows.get(k).equals(asked)) {
          out.add(rows.get(k));
        }
      }
      return out;
    }

    private String shown() {
      List<String> out = new ArrayList<>();
      counts.forEach((model, n) -> {
        if (!model.isEmpty() && out.size() < MOST_SHOWN) {
          out.add(model + " (" + n + ")");
        }
      });
      return String.join(", ", out) + (counts.size() > MOST_SHOWN ? ", ..." : "");
    }
  }

  private static JsonNode tree(JsonMapper mapper, String line) {
    if (line.length() > MOST_LINE) {
      throw new IllegalArgumentException("longer than 64 KiB (expected: a decision)");
    }
    JsonNode n;
    try {
      n = mapper.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("no JSON (expected: one object)", e);
    }
    if (n == null || !n.isObject()) {
      throw new IllegalArgumentException("no JSON object (expected: a decision)");
    }
    return n;
  }

  /// Null for a request that was not answered in full or whose tokens are not known; an answer that
  /// came whole without them has an output of 0.
  private static @Nullable Row row(JsonNode n) {
    int version = (int) number(n, "v", 0, 1e9);
    if (version != VERSION) {
      throw new IllegalArgumentException("v: " + version + " (expected: " + VERSION + ")");
    }
    double time = number(n, "time_ms", 0, 1e15) / 1e3;
    int events = (int) number(n, "events", 0, 1e9);
    int prompt = (int) number(n, "prompt_tokens", 0, MOST_TOKENS);
    int estimate = (int) optional(n, "prompt_estimate", MOST_TOKENS);
    int output = (int) number(n, "output_tokens", 0, MOST_TOKENS);
    double first = number(n, "first_s", 0, DAY_SECONDS);
    double answer = number(n, "answer_s", 0, DAY_SECONDS);
    // recorded from when it was sent; it is simulated from when it came
    double held = optional(n, "queue_s", DAY_SECONDS);
    prompt = prompt > 0 ? prompt : estimate;
    output = output > 0 ? output : Math.max(0, events - 3);
    if (!n.path("outcome").asText().equals("ok")
        || prompt < 1
        || (output < 1 && events > 0)
        || answer <= 0) {
      return null;
    }
    if (first > answer + ROUNDED_SECONDS) {
      throw new IllegalArgumentException(
          "first_s: " + first + " (expected: at most answer_s, " + answer + ")");
    }
    String key = n.path("key").asText();
    return new Row(
        time,
        (int) Math.max(1, number(n, "body_bytes", 0, 1L << 31)),
        prompt,
        output,
        (int) optional(n, "max_tokens", MOST_TOKENS),
        (int) Math.min(prompt - 1, number(n, "cached_tokens", 0, MOST_TOKENS)),
        key.isEmpty() ? 0 : Hash.of(key),
        switch (n.path("text").asText()) {
          case "code" -> Text.CODE;
          case "wide" -> Text.CJK;
          default -> Text.ENGLISH;
        },
        n.path("instance").asText(),
        n.path("cache_type").asText(),
        events > 0,
        first > 0 ? held + first : 0,
        held + answer,
        thresholdBytes(n));
  }

  /// Where the size is another than the body's, a threshold in the body's bytes by what the two are
  /// to each other.
  private static double thresholdBytes(JsonNode n) {
    double size = n.path("size").asDouble(0);
    double threshold = n.path("threshold").asDouble(-1);
    return size <= 0 || threshold < 0
        ? -1
        : Math.min(threshold, MOST_THRESHOLD) / size * number(n, "body_bytes", 0, 1L << 31);
  }

  private static double optional(JsonNode n, String field, double most) {
    return n.path(field).isMissingNode() ? 0 : number(n, field, 0, most);
  }

  private static double number(JsonNode n, String field, double least, double most) {
    JsonNode v = n.path(field);
    if (v.isNumber() && v.asDouble() >= least && v.asDouble() <= most) {
      return v.asDouble();
    }
    String shown = v.isMissingNode() ? "missing" : v.toString();
    throw new IllegalArgumentException(
        field
            + ": "
            + (shown.length() > 40 ? shown.substring(0, 40) + "..." : shown)
            + " (expected: a number, "
            + (long) least
            + ".."
            + (long) most
            + ")");
  }

  /// Lines that could not be read, by number.
  List<String> problems() {
    return problems;
  }

  /// Requests that were left out: not answered in full, or without token counts.
  int left() {
    return left;
  }

  /// Requests of other models, which were left out.
  int others() {
    return others;
  }

  int size() {
    return rows.size();
  }

  Row row(int id) {
    return rows.get(id);
  }

  /// Requests a second, as they came.
  double rate() {
    double span = rows.getLast().seconds() - rows.getFirst().seconds();
    return span <= 0 ? 1 : (rows.size() - 1) / span;
  }

  /// The middle of the thresholds that requests met, in bytes of their bodies; -1 where most say
  /// none.
  long thresholdBytes() {
    double[] told = rows.stream().mapToDouble(Row::thresholdBytes).filter(t -> t >= 0).toArray();
    Arrays.sort(told);
    return 2 * told.length < rows.size() ? -1 : Math.round(told[told.length / 2]);
  }

  /// That nothing came for most of the time, in words; empty where it is not so.
  String pause() {
    double longest = 0;
    for (int k = 1; k < rows.size(); k++) {
      longest = Math.max(longest, rows.get(k).seconds() - rows.get(k - 1).seconds());
    }
    double span = rows.getLast().seconds() - rows.getFirst().seconds();
    return longest < LEAST_PAUSE_SECONDS || longest < MOSTLY * span
        ? ""
        : String.format(
            Locale.ROOT,
            ", none of them for %.1f of %.1f hours: the rate says little",
            longest / 3600,
            span / 3600);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Workload at(long seed, double perSecond) {
    double scale = rate() / perSecond * 1e9;
    double from = rows.getFirst().seconds();
    Map<Long, Integer> said = new HashMap<>();
    List<Request> out = new ArrayList<>(rows.size());
    double at = 0;
    for (int k = 0; k < rows.size(); k++) {
      Row r = rows.get(k);
      at = (r.seconds() - from) * scale;
      long text = r.key() == 0 ? -1L - k : r.key() >>> 1;
      int shared = r.key() == 0 ? 0 : Math.min(said.getOrDefault(text, 0), r.prompt() - 1);
      if (r.key() != 0) {
        said.put(text, r.prompt() + r.output());
      }
      int max = r.max() == 0 ? Math.max(r.output(), ENGINE_MAX_TOKENS) : r.max();
      LeapJob job = new LeapJob(k, r.prompt(), Math.min(r.output(), max), max, 0, 0, text, shared);
      out.add(new Request(k, at, -1, job, r.bytes(), r.text(), r.max(), r.key()));
    }
    return new Workload(name, out, at);
  }
}
