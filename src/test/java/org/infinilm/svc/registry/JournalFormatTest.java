package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.infinilm.svc.registry.Samples.START;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JournalFormatTest {
  static final List<JournalRecord> EACH_KIND = eachKind();

  private static List<JournalRecord> eachKind() {
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("none", null);
    metadata.put("text", "line\nfeed \"é😀\"");
    metadata.put("list", List.of(1, 2.5, true));
    Entry full = new Entry("a", "h", 1, "n", "http://h:1", "running", metadata, 3);
    return List.of(
        new JournalRecord.Put(new Event.Stored(full, START, START.plusSeconds(1))),
        new JournalRecord.Put(new Event.Stored(Samples.entry("b"), START, START)),
        new JournalRecord.Beat("a", START.plusSeconds(9)),
        new JournalRecord.Deleted("b", START.plusSeconds(10)),
        new JournalRecord.Put(new Event.Stored(Samples.entry("c"), START, START)),
        new JournalRecord.Expired("c"),
        new JournalRecord.Clock("run", 7, START));
  }

  static byte[] lines(List<JournalRecord> records) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    records.forEach(r -> out.writeBytes(JournalFormat.line(r)));
    return out.toByteArray();
  }

  static JournalFormat.Replay replay(byte[] file) throws IOException {
    return JournalFormat.replay(new ByteArrayInputStream(file));
  }

  @Test
  void everyRecordComesBack() {
    for (JournalRecord r : EACH_KIND) {
      byte[] line = JournalFormat.line(r);
      assertThat(line).endsWith((byte) '\n');
      assertThat(JournalFormat.parse(Arrays.copyOf(line, line.length - 1))).isEqualTo(r);
    }
  }

  @Test
  void aLineIsOneJsonObject() {
    assertThat(
            new String(JournalFormat.line(new JournalRecord.Expired("x")), StandardCharsets.UTF_8))
        .matches("\\{\"crc\":\"[0-9a-f]{8}\",\"record\":\\{\"name\":\"x\",\"op\":\"expire\"}}\n");
  }

  @Test
  void replayLeavesTheLastState() throws IOException {
    JournalFormat.Replay r = replay(lines(EACH_KIND));
    assertThat(r.problem()).isNull();
    assertThat(r.lines()).isEqualTo(7);
    assertThat(r.entries()).hasSize(1);
    assertThat(r.entries().getFirst().entry().name()).isEqualTo("a");
    assertThat(r.entries().getFirst().heartbeatAt()).isEqualTo(START.plusSeconds(9));
    assertThat(r.deleted()).containsOnlyKeys("b");
  }

  @Test
  void aLineCutShortIsAProblemAndTheRestCounts() throws IOException {
    byte[] whole = lines(EACH_KIND.subList(0, 2));
    JournalFormat.Replay r = replay(Arrays.copyOf(whole, whole.length - 2));
    assertThat(r.entries()).hasSize(1);
    assertThat(r.problem()).isEqualTo("line 2 is cut short");
  }

  @Test
  void anEmptyFileIsGood() throws IOException {
    assertThat(replay(new byte[0]).problem()).isNull();
  }

  @Test
  void aGoodChecksumOverAnUnknownRecordIsAProblem() throws IOException {
    String line =
        new String(JournalFormat.line(new JournalRecord.Expired("x")), StandardCharsets.UTF_8);
    assertThat(replay(line.replace("expire", "expyre").getBytes(StandardCharsets.UTF_8)).problem())
        .isEqualTo("line 1 is damaged");
  }
}
