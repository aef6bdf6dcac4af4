package org.infinilm.svc.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.infinilm.svc.comparison.CompareInputs;
import org.infinilm.svc.comparison.CompareKind;
import org.infinilm.svc.comparison.ComparisonReport;
import org.infinilm.svc.comparison.Side;
import org.junit.jupiter.api.Test;

class ResultFileFuzz {
  private static final Path NAME = Path.of("paged-fuzz.json");
  private static final List<String> PIECES =
      List.of(
          "null",
          "[]",
          "{}",
          "-1",
          "1e999",
          "NaN",
          "\"x\"",
          "true",
          "[[",
          "}",
          ",",
          ":",
          "\u0000",
          "\"requests\":",
          "9".repeat(400));

  /// Reads, and when that works compares and draws nothing but a report; only the named failure may
  /// come out.
  private static boolean read(byte[] bytes) {
    try {
      ResultFile f = ResultFile.parse(NAME, bytes);
      Side side = new Side("paged", "Paged", "Paged", List.of(f));
      CompareInputs inputs =
          new CompareInputs(CompareKind.CACHE_TYPES, List.of(side, side), List.of());
      ComparisonReport report = ComparisonReport.of(inputs);
      report.text();
      report.markdown();
      report.plain();
      return true;
    } catch (ResultFile.Unusable e) {
      assertThat(e.getMessage()).startsWith("paged-fuzz.json: ").hasSizeLessThan(600);
      assertThat(e.getMessage().chars()).allMatch(c -> c >= ' ');
      return false;
    } catch (RuntimeException e) {
      return fail(new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1), e);
    }
  }

  @Test
  void aTruncatedFileIsNeverAResult() {
    byte[] whole = ResultBuilder.ours(12, 1, 0.1, size -> size / 10_000.0).bytes();
    assertThat(read(whole)).isTrue();
    for (int n = 0; n < whole.length; n++) {
      assertThat(read(Arrays.copyOf(whole, n))).isFalse();
    }
  }

  @Test
  void aChangedFileIsAResultOrANamedFailure() {
    RandomGenerator random = new SplittableRandom(7);
    byte[] whole = ResultBuilder.ours(12, 1, 0.1, size -> size / 10_000.0).bytes();
    for (int round = 0; round < 1000; round++) {
      byte[] bytes = whole.clone();
      int at = random.nextInt(bytes.length);
      if (random.nextBoolean()) {
        for (int k = 1 + random.nextInt(3); k > 0; k--) {
          bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
      } else {
        byte[] piece =
            PIECES
                .get(random.nextInt(PIECES.size()))
                .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1);
        System.arraycopy(piece, 0, bytes, at, Math.min(piece.length, bytes.length - at));
      }
      read(bytes);
    }
  }

  /// Replaces one whole value, so that the document stays JSON and its types go wrong.
  @Test
  void aValueOfAnotherTypeIsAResultOrANamedFailure() {
    RandomGenerator random = new SplittableRandom(8);
    String whole =
        new String(
            ResultBuilder.ours(3, 1, 0.1, size -> size / 10_000.0).bytes(),
            java.nio.charset.StandardCharsets.UTF_8);
    int refused = 0;
    for (int round = 0; round < 500; round++) {
      int colon = whole.indexOf(':', random.nextInt(whole.length() - 40));
      int end = colon + 1;
      while (end < whole.length() && ",}]".indexOf(whole.charAt(end)) < 0) {
        end++;
      }
      String piece = PIECES.get(random.nextInt(8));
      String changed = whole.substring(0, colon + 1) + piece + whole.substring(end);
      refused += read(changed.getBytes(java.nio.charset.StandardCharsets.UTF_8)) ? 0 : 1;
    }
    assertThat(refused).isPositive();
  }

  @Test
  void deepNestingIsRefused() {
    assertThat(
            read("{\"routing\":".repeat(50_000).getBytes(java.nio.charset.StandardCharsets.UTF_8)))
        .isFalse();
    assertThat(
            read(
                ("{\"x\":" + "[".repeat(200_000))
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)))
        .isFalse();
  }
}
