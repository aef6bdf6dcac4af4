package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// The journal's bytes: one JSON object a line, `{"crc":"<8 hex>","record":{...}}`, where crc is
/// the CRC-32C of the record's bytes as written. Without the checksum a flipped bit inside a string
/// would pass for data.
final class JournalFormat {
  private static final byte[] HEAD = "{\"crc\":\"".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] MIDDLE = "\",\"record\":".getBytes(StandardCharsets.US_ASCII);
  private static final int RECORD = HEAD.length + 8 + MIDDLE.length;

  private static final Duration SMALL_STEP = Duration.ofSeconds(2);

  /// Longer lines are no records: a body of 2 MB, each byte escaped as six.
  static final int MAX_LINE_BYTES = 13 << 20;

  /// What a journal says: every record that can be read, whatever stands between them.
  ///
  /// @param lines how many records were good
  /// @param problem which lines are bad; null when the whole file is good
  /// @param clock the last note of both clocks, or null
  record Replay(
      List<Event.Stored> entries,
      Map<String, Instant> deleted,
      int lines,
      @Nullable String problem,
      JournalRecord.@Nullable Clock clock) {
    /// The entries with heartbeats as they are by the wall clock of now: moved by the step that it
    /// made since, so that a clock that was set takes nobody out.
    List<Event.Stored> entries(Now now, String boot) {
      Duration step = clock == null ? Duration.ZERO : clock.stepUntil(now, boot);
      if (step.abs().compareTo(SMALL_STEP) < 0) {
        return entries;
      }
      return entries.stream()
          .map(s -> new Event.Stored(s.entry(), s.registeredAt(), s.heartbeatAt().plus(step)))
          .toList();
    }
  }

  private JournalFormat() {}

  static byte[] line(JournalRecord record) {
    byte[] json = Json.bytes(record.json());
    ByteArrayOutputStream out = new ByteArrayOutputStream(RECORD + json.length + 2);
    out.writeBytes(HEAD);
    out.writeBytes(crc(json, 0, json.length).getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(MIDDLE);
    out.writeBytes(json);
    out.write('}');
    out.write('\n');
    return out.toByteArray();
  }

  /// The record of one line without its line feed, or null when it is none.
  static @Nullable JournalRecord parse(byte[] line) {
    int end = line.length - 1;
    if (end <= RECORD
        || line[end] != '}'
        || !matches(line, 0, HEAD)
        || !matches(line, HEAD.length + 8, MIDDLE)) {
      return null;
    }
    String said = new String(line, HEAD.length, 8, StandardCharsets.ISO_8859_1);
    if (!said.equals(crc(line, RECORD, end - RECORD))) {
      return null;
    }
    try {
      JsonNode tree = Json.tree(Arrays.copyOfRange(line, RECORD, end));
      return tree.isObject() ? JournalRecord.parse(tree) : null;
    } catch (JsonProcessingException | UncheckedIOException notJson) {
      return null;
    }
  }

  /// Reads to the end; a line that is no record is left out, and the others count.
  static Replay replay(InputStream in) throws IOException {
    Reader reader = new Reader();
    for (int b = in.read(); b >= 0; b = in.read()) {
      if (b == '\n') {
        reader.endOfLine("damaged");
      } else {
        reader.feed(b);
      }
    }
    if (reader.length > 0) {
      reader.endOfLine("cut short");
    }
    return reader.replay();
  }

  /// Puts lines together and keeps what the good ones say.
  private static final class Reader {
    private static final int NAMED = 5;
    private final Map<String, Event.Stored> entries = new LinkedHashMap<>();
    private final Map<String, Instant> deleted = new LinkedHashMap<>();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream(1024);
    private final List<String> named = new ArrayList<>();
    private long length;
    private JournalRecord.@Nullable Clock clock;
    private int number;
    private int bad;
    private int good;

    void feed(int b) {
      length++;
      if (length <= MAX_LINE_BYTES) {
        line.write(b);
      }
    }

    void endOfLine(String otherwise) {
      number++;
      byte[] bytes = line.toByteArray();
      if (length > MAX_LINE_BYTES) {
        bad("longer than " + MAX_LINE_BYTES + " bytes");
      } else if (otherwise.equals("cut short") || !take(bytes)) {
        bad(otherwise);
        salvage(bytes);
      }
      line.reset();
      length = 0;
    }

    private boolean take(byte[] bytes) {
      JournalRecord r = parse(bytes);
      if (r != null) {
        good++;
        if (r instanceof JournalRecord.Clock c) {
          clock = c;
        }
        JournalFormat.replay(r, entries, deleted);
      }
      return r != null;
    }

    /// Two lines whose line feed was damaged are one bad line; each may still be whole.
    private void salvage(byte[] bytes) {
      int from = 0;
      for (int at = next(bytes, 1); at >= 0; at = next(bytes, at + 1)) {
        piece(bytes, from, at);
        from = at;
      }
      piece(bytes, from, bytes.length);
    }

    private void piece(byte[] bytes, int from, int to) {
      if (to > from && !take(Arrays.copyOfRange(bytes, from, to))) {
        take(Arrays.copyOfRange(bytes, from, to - 1));
      }
    }

    private static int next(byte[] bytes, int from) {
      for (int at = from; at + HEAD.length <= bytes.length; at++) {
        if (bytes[at] == HEAD[0] && matches(bytes, at, HEAD)) {
          return at;
        }
      }
      return -1;
    }

    private void bad(String how) {
      bad++;
      if (named.size() < NAMED) {
        named.add("line " + number + " is " + how);
      }
    }

    Replay replay() {
      String problem =
          bad == 0
              ? null
              : String.join(", ", named) + (bad > NAMED ? " and " + (bad - NAMED) + " more" : "");
      return new Replay(new ArrayList<>(entries.values()), deleted, good, problem, clock);
    }
  }

  private static void replay(
      JournalRecord r, Map<String, Event.Stored> entries, Map<String, Instant> deleted) {
    switch (r) {
      case JournalRecord.Put(Event.Stored s) -> {
        entries.put(s.entry().name(), s);
        deleted.remove(s.entry().name());
      }
      case JournalRecord.Beat(String name, Instant at) ->
          entries.computeIfPresent(
              name, (_, s) -> new Event.Stored(s.entry(), s.registeredAt(), at));
      case JournalRecord.Deleted(String name, Instant at) -> {
        entries.remove(name);
        deleted.put(name, at);
      }
      case JournalRecord.Expired(String name) -> entries.remove(name);
      case JournalRecord.Clock c -> {}
    }
  }

  private static boolean matches(byte[] line, int at, byte[] part) {
    return Arrays.equals(line, at, at + part.length, part, 0, part.length);
  }

  private static String crc(byte[] bytes, int from, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, length);
    String hex = Long.toHexString(crc.getValue());
    return "0".repeat(8 - hex.length()) + hex;
  }
}
