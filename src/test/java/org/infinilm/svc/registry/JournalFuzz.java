package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Damaged journals: whatever the damage, what stands before it comes back and nothing else.
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
      assertThat(r.lines()).as("cut at " + cut).isEqualTo(linesBefore(cut));
      int whole = JournalFormatTest.lines(RECORDS.subList(0, r.lines())).length;
      assertThat(r.problem() == null).as("cut at " + cut).isEqualTo(whole == cut);
    }
  }

  @Test
  void everyFlippedBitIsSeen() throws IOException {
    byte[] file = JournalFormatTest.lines(RECORDS);
    for (int at = 0; at < file.length; at++) {
      for (int bit = 0; bit < 8; bit++) {
        byte[] bad = file.clone();
        bad[at] ^= (byte) (1 << bit);
        JournalFormat.Replay r = JournalFormatTest.replay(bad);
        assertThat(r.problem()).as("byte " + at + " bit " + bit).isNotNull();
        assertThat(r.lines()).as("byte " + at + " bit " + bit).isEqualTo(linesBefore(at));
      }
    }
  }

  @Test
  void rubbishAfterGoodLinesNeverThrows() throws IOException {
    byte[] good = JournalFormatTest.lines(RECORDS);
    for (int seed = 0; seed < 500; seed++) {
      Random random = new Random(seed);
      byte[] rubbish = new byte[1 + random.nextInt(300)];
      random.nextBytes(rubbish);
      byte[] file = Arrays.copyOf(good, good.length + rubbish.length);
      System.arraycopy(rubbish, 0, file, good.length, rubbish.length);
      JournalFormat.Replay r = JournalFormatTest.replay(file);
      assertThat(r.lines()).as("seed " + seed).isEqualTo(RECORDS.size());
      assertThat(r.problem()).as("seed " + seed).isNotNull();
    }
  }
}
