package org.infinilm.svc.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.simulator.LeapJob;
import org.jspecify.annotations.Nullable;

/// Recorded traffic: a CSV file with a header (Azure's, BurstGPT's or our own columns) or JSON
/// lines (Mooncake's, a router's decision log). Recorded gaps are kept and scaled to the rate; a
/// seed begins at its own place and goes round.
final class TraceFile implements Traffic {
  private static final int MOST_REQUESTS = 5_000_000;

  /// What follows an object in its line would be lost without a word.
  private static final JsonMapper ONE_A_LINE =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private static final ObjectReader CELLS = new CsvMapper().readerFor(String[].class);
  private static final int MOST_TOKENS = 1 << 24;
  private static final int ENGINE_MAX_TOKENS = 2048;
  private static final int MOONCAKE_BLOCK_TOKENS = 512;

  private static final Map<String, Set<String>> COLUMNS =
      Map.of(
          "time", Set.of("timestamp", "arrival_s"),
          "prompt", Set.of("contexttokens", "request tokens", "prompt_tokens", "input_length"),
          "output", Set.of("generatedtokens", "response tokens", "output_tokens", "output_length"),
          "max", Set.of("max_tokens"),
          "key", Set.of("conversation", "session id", "session"),
          "bytes", Set.of("body_bytes"),
          "text", Set.of("text"));

  /// One line.
  private record Row(
      double seconds,
      int prompt,
      int output,
      int max,
      long text,
      int shared,
      boolean keyed,
      int bytes,
      Text kind) {}

  private final String name;
  private final List<Row> rows;
  private final int requests;

  private TraceFile(String name, List<Row> rows, int requests) {
    this.name = name;
    this.rows = rows;
    this.requests = requests;
  }

  static TraceFile read(Path file, int requests) throws ConfigException {
    return read(file, requests, null);
  }

  /// @param requests a run has, at most those of the file
  /// @param model whose requests of a decision log are meant; null for the only one
  static TraceFile read(Path file, int requests, @Nullable String model) throws ConfigException {
    List<Row> rows;
    try (Lines lines = new Lines(file)) {
      String first = lines.next();
      if (first == null) {
        throw new ConfigException(file + ": empty (expected: a header and a line a request)");
      }
      if (model != null && !(first.startsWith("{") && first.contains("\"time_ms\""))) {
        throw new ConfigException(
            "--model: " + model + " (expected: with a decision log alone; other traces name none)");
      }
      rows =
          !first.startsWith("{")
              ? csv(first, lines)
              : first.contains("\"time_ms\"") ? decisions(file, model) : jsonLines(first, lines);
    } catch (IOException e) {
      throw new ConfigException(
          "trace: " + file + " cannot be read (expected: a file of UTF-8 text)");
    }
    if (rows.size() < 2) {
      throw new ConfigException(file + ": " + rows.size() + " requests (expected: 2 or more)");
    }
    rows.sort(Comparator.comparingDouble(Row::seconds));
    if (rows.getFirst().seconds() == rows.getLast().seconds()) {
      throw new ConfigException(
          file
              + ": all "
              + rows.size()
              + " requests at one time, "
              + rows.getFirst().seconds()
              + " s (expected: times that go on, which are scaled to the rate)");
    }
    return new TraceFile(
        String.valueOf(file.getFileName()), List.copyOf(rows), Math.min(requests, rows.size()));
  }

  /// Lines that are not blank, with their places.
  private static final class Lines implements AutoCloseable {
    private final Path file;
    private final LineReader in;

    Lines(Path file) throws IOException {
      this.file = file;
      this.in = new LineReader(file);
    }

    /// The next one, or null.
    @Nullable String next() throws IOException, ConfigException {
      String line;
      do {
        line = in.next();
        if (in.isTooLong()) {
          throw new ConfigException(
              place() + ": more than " + LineReader.MOST + " bytes (expected: a request's line)");
        }
        if (line != null && !in.isText()) {
          throw new ConfigException(place() + ": no UTF-8 (expected: a request's line)");
        }
      } while (line != null && line.isBlank());
      return line == null ? null : line.strip();
    }

    /// Of the last one.
    String place() {
      return file + ":" + in.number();
    }

    ConfigException tooMany() {
      return new ConfigException(
          file + ": more than " + MOST_REQUESTS + " requests (expected: at most that many)");
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  private static String[] cells(String line, String place) throws ConfigException {
    try {
      return CELLS.readValue(line);
    } catch (JsonProcessingException e) {
      throw new ConfigException(
          place + ": " + shown(line) + " (expected: cells with commas between them, RFC 4180)");
    }
  }

  private static List<Row> csv(String first, Lines lines) throws ConfigException, IOException {
    Map<String, Integer> at = new HashMap<>();
    String[] header = cells(first, lines.place());
    for (int k = 0; k < header.length; k++) {
      String h = header[k].strip().toLowerCase(Locale.ROOT);
      int column = k;
      COLUMNS.forEach((what, names) -> {
        if (names.contains(h)) {
          at.putIfAbsent(what, column);
        }
      });
    }
    for (String what : List.of("time", "prompt", "output")) {
      if (!at.containsKey(what)) {
        throw new ConfigException(
            lines.place()
                + ": no column for "
                + what
                + " (expected: one of "
                + String.join(", ", COLUMNS.getOrDefault(what, Set.of()).stream().sorted().toList())
                + ")");
      }
    }
    List<Row> out = new ArrayList<>();
    Map<Long, Integer> said = new HashMap<>();
    int k = 0;
    for (String line = lines.next(); line != null; line = lines.next()) {
      k++;
      Line l = new Line(lines.place(), cells(line, lines.place()), at);
      int prompt = l.tokens("prompt", 1);
      int output = l.tokens("output", 0);
      if (output == 0) {
        continue;
      }
      String key = l.word("key");
      long text = key.isEmpty() ? -1L - k : Hash.of(key) >>> 1;
      int shared = Math.min(said.getOrDefault(text, 0), prompt - 1);
      if (!key.isEmpty()) {
        said.put(text, prompt + output);
      }
      Text kind = l.kind();
      int bytes =
          at.containsKey("bytes")
              ? l.tokens("bytes", 1)
              : (int) Math.min(Integer.MAX_VALUE, prompt * kind.bytesPerToken + 200);
      int max = at.containsKey("max") ? l.tokens("max", 0) : 0;
      if (out.size() == MOST_REQUESTS) {
        throw lines.tooMany();
      }
      out.add(
          new Row(
              l.seconds(),
              prompt,
              output,
              max,
              text,
              Math.max(0, shared),
              !key.isEmpty(),
              bytes,
              kind));
    }
    return out;
  }

  /// The cells of one line.
  private record Line(String place, String[] cells, Map<String, Integer> at) {
    String word(String what) {
      Integer k = at.get(what);
      return k == null || k >= cells.length ? "" : cells[k].strip();
    }

    int tokens(String what, int least) throws ConfigException {
      String w = word(what);
      try {
        double d = Double.parseDouble(w);
        if (d >= least && d <= MOST_TOKENS && d == Math.rint(d)) {
          return (int) d;
        }
      } catch (NumberFormatException e) {
        // said below
      }
      throw new ConfigException(
          place + ": " + what + " " + shown(w) + " (expected: " + least + ".." + MOST_TOKENS + ")");
    }

    double seconds() throws ConfigException {
      String w = word("time");
      try {
        if (w.indexOf('-') > 0 && w.indexOf(':') > 0) {
          LocalDateTime t =
              LocalDateTime.parse(w.replace(' ', 'T').replaceAll("(Z|\\+00:00)$", ""));
          Instant at = t.toInstant(ZoneOffset.UTC);
          return at.getEpochSecond() + at.getNano() / 1e9;
        }
        double d = Double.parseDouble(w);
        if (d >= 0 && d < 1e12) {
          return d;
        }
      } catch (NumberFormatException | DateTimeParseException e) {
        // said below
      }
      throw new ConfigException(
          place + ": time " + shown(w) + " (expected: seconds, or 2023-11-16 18:15:46.6805900)");
    }

    Text kind() throws ConfigException {
      String w = word("text");
      for (Text t : Text.values()) {
        if (w.isEmpty() || t.name().equalsIgnoreCase(w)) {
          return t;
        }
      }
      throw new ConfigException(place + ": text " + shown(w) + " (expected: english, code or cjk)");
    }
  }

  private static String shown(String w) {
    return w.isEmpty() ? "missing" : w.length() > 60 ? w.substring(0, 60) + "..." : w;
  }

  /// Our own decision log: what a router was asked.
  private static List<Row> decisions(Path file, @Nullable String model) throws ConfigException {
    DecisionTrace log = DecisionTrace.read(file, model);
    List<Row> out = new ArrayList<>(log.size());
    for (Request r : log.at(1, log.rate()).requests()) {
      out.add(
          new Row(
              r.atNanos() / 1e9,
              r.job().promptTokens(),
              r.job().outputTokens(),
              r.maxTokens(),
              r.job().text(),
              r.job().sharedTokens(),
              r.key() != 0,
              r.bodyBytes(),
              r.text()));
    }
    return out;
  }

  /// Mooncake's: `timestamp` in ms, `input_length`, `output_length`, `hash_ids` of blocks of 512
  /// tokens. A prompt goes on with the text whose last block it has in common.
  private static List<Row> jsonLines(String first, Lines lines)
      throws ConfigException, IOException {
    List<Row> out = new ArrayList<>();
    Map<Long, Long> textOfBlock = new HashMap<>();
    int k = -1;
    for (String line = first; line != null; line = lines.next()) {
      k++;
      String place = lines.place();
      JsonNode n;
      try {
        n = ONE_A_LINE.readTree(line);
      } catch (JsonProcessingException e) {
        throw new ConfigException(place + ": " + shown(line) + " (expected: one JSON object)");
      }
      int prompt = (int) number(n, place, "input_length", 1, MOST_TOKENS);
      int output = (int) number(n, place, "output_length", 0, MOST_TOKENS);
      double ms = number(n, place, "timestamp", 0, 1e15);
      long text = -1L - k;
      int shared = 0;
      int block = 0;
      for (JsonNode id : n.path("hash_ids")) {
        if (!id.isIntegralNumber()) {
          throw new ConfigException(
              place + ": hash_ids " + shown(id.toString()) + " (expected: whole numbers)");
        }
        block++;
        Long of = textOfBlock.get(id.asLong());
        if (of != null) {
          text = of;
          shared = block * MOONCAKE_BLOCK_TOKENS;
        }
      }
      for (JsonNode id : n.path("hash_ids")) {
        textOfBlock.putIfAbsent(id.asLong(), text);
      }
      if (out.size() == MOST_REQUESTS) {
        throw lines.tooMany();
      }
      if (output > 0) {
        out.add(
            new Row(
                ms / 1e3,
                prompt,
                output,
                0,
                text,
                Math.min(shared, prompt - 1),
                false,
                (int) (prompt * Text.ENGLISH.bytesPerToken + 200),
                Text.ENGLISH));
      }
    }
    return out;
  }

  private static double number(JsonNode n, String place, String field, double least, double most)
      throws ConfigException {
    JsonNode v = n.path(field);
    if (v.isNumber() && v.asDouble() >= least && v.asDouble() <= most) {
      return v.asDouble();
    }
    throw new ConfigException(
        place
            + ": "
            + field
            + " "
            + shown(v.isMissingNode() ? "" : v.toString())
            + " (expected: a number, "
            + (long) least
            + ".."
            + (long) most
            + ")");
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Workload at(long seed, double perSecond) {
    int n = rows.size();
    int start = (int) (new Draws(seed).unit(0, 0) * n);
    double span = rows.getLast().seconds() - rows.getFirst().seconds();
    double scale = (n - 1) / span / perSecond * 1e9;
    List<Request> out = new ArrayList<>(requests);
    double at = 0;
    for (int k = 0; k < requests; k++) {
      int here = (start + k) % n;
      Row r = rows.get(here);
      double gap = here == 0 ? span / (n - 1) : r.seconds() - rows.get(here - 1).seconds();
      at += k == 0 ? 0 : gap * scale;
      LeapJob job =
          new LeapJob(
              k,
              r.prompt(),
              r.max() == 0 ? r.output() : Math.min(r.output(), r.max()),
              r.max() == 0 ? Math.max(r.output(), ENGINE_MAX_TOKENS) : r.max(),
              0,
              0,
              r.text(),
              r.shared());
      long key = r.keyed() ? Hash.mix(r.text()) : 0;
      out.add(new Request(k, at, -1, job, r.bytes(), r.kind(), r.max(), key));
    }
    return new Workload(name, out, at);
  }
}
