package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Damaged journals: whatever the damage, the lines that it did not touch come back and nothing
/// else.
class JournalFuzz {
  private static final List<JournalRecord> RECORDS = JournalFormatTest.EACH_KIND;

  private static List<byte[]> lines() {
    List<byte[]> out = new ArrayList<>();
    RECORDS.forEach(r -> out.add(JournalFormat.line(r)));
    return out;
  }

  /// How many whole lines end before `offset`.
  private static int linesBefore(int offset) {
    int n = 0;
    int end = 0;
    for (byte[] line : lines()) {
      end += line.length;
      if (end <= offset) {
        n++;
      }
    }
    return n;
  }

  @Test
  void everyCutKeepsTheWholeLinesBeforeIt() throws IOException {
    byte[] file = JournalFormatTest.lines(RECORDS);
    for (int cut = 0; cut <= file.length; cut++) {
      JournalFormat.Replay r = JournalFormatTest.replay(Arrays.copyOf(file, cut));
      // The last line may be whole but for its line feed; it then counts although it is a problem.
      int whole = linesBefore(cut);
      boolean onlyTheFeed = cut < file.length && linesBefore(cut + 1) > whole;
      assertThat(r.lines()).as("cut at " + cut).isEqualTo(whole + (onlyTheFeed ? 1 : 0));
      int length = JournalFormatTest.lines(RECORDS.subList(0, whole)).length;
      assertThat(r.problem() == null).as("cut at " + cut).isEqualTo(length == cut);
    }
  }

  @Test
  void everyFlippedBitIsSeenAndLosesNoOtherLine() throws IOException {
    byte[] file = JournalFormatTest.lines(RECORDS);
    for (int at = 0; at < file.length; at++) {
      boolean feed = file[at] == '\n';
      List<JournalRecord> others = new ArrayList<>(RECORDS);
      if (!feed) {
        others.remove(linesBefore(at));
      }
      JournalFormat.Replay wanted = JournalFormatTest.replay(JournalFormatTest.lines(others));
      for (int bit = 0; bit < 8; bit++) {
        byte[] bad = file.clone();
        bad[at] ^= (byte) (1 << bit);
        JournalFormat.Replay r = JournalFormatTest.replay(bad);
        assertThat(r.problem()).as("byte " + at + " bit " + bit).isNotNull();
        assertThat(r.lines()).as("byte " + at + " bit " + bit).isEqualTo(others.size());
        assertThat(r.entries()).as("byte " + at + " bit " + bit).isEqualTo(wanted.entries());
        assertThat(r.deleted()).as("byte " + at + " bit " + bit).isEqualTo(wanted.deleted());
      }
    }
  }

  @Test
  void rubbishBetweenGoodLinesNeverThrowsAndLosesNone() throws IOException {
    byte[] good = JournalFormatTest.lines(RECORDS);
    for (int seed = 0; seed < 500; seed++) {
      Random random = new Random(seed);
      byte[] rubbish = new byte[1 + random.nextInt(300)];
      random.nextBytes(rubbish);
      java.io.ByteArrayOutputStream file = new java.io.ByteArrayOutputStream();
      file.writeBytes(good);
      file.writeBytes(rubbish);
      file.write('\n');
      file.writeBytes(JournalFormat.line(new JournalRecord.Expired("a")));
      JournalFormat.Replay r = JournalFormatTest.replay(file.toByteArray());
      assertThat(r.lines()).as("seed " + seed).isEqualTo(RECORDS.size() + 1);
      assertThat(r.problem()).as("seed " + seed).isNotNull();
      assertThat(r.entries()).as("seed " + seed).isEmpty();
    }
  }
}
