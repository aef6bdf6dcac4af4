package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// What prompts find in caches where their own text never was.
class PrefixesTest {
  private static final Instance PAGED = Samples.paged("a", 0);
  private static final Instance OTHER = Samples.paged("b", 1);
  private static final Instance STATIC = Samples.statics("c", 2);
  private static final long SYSTEM = 5400;

  private final Prefixes index = new Prefixes(new Prefixes.Homes(), "m");
  private long key = 1;

  /// So many requests, each of another conversation.
  private void asked(Instance i, int requests, long cached, boolean ownText) {
    for (int k = 0; k < requests; k++) {
      index.settled(key++, i, SYSTEM + 400, 50, cached, ownText);
    }
  }

  private double found(Instance i) {
    return index.of(key).at(i, SYSTEM + 400);
  }

  @Test
  void aSystemPromptIsFoundByEachNewConversation() {
    asked(PAGED, 100, SYSTEM, false);
    asked(OTHER, 100, SYSTEM, false);
    asked(STATIC, 100, 0, false);
    assertThat(found(PAGED)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
    assertThat(found(OTHER)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
    assertThat(found(STATIC)).isZero();
    assertThat(index.elsewhere()).as("where nobody else is").isZero();
  }

  @Test
  void aConversationThatMovesFindsItToo() {
    for (int k = 0; k < 100; k++) {
      index.settled(key, PAGED, SYSTEM + 400, 50, 0, false);
      index.settled(key++, OTHER, SYSTEM + 450, 50, SYSTEM, false);
    }
    assertThat(found(OTHER)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
  }

  /// Of conversations whose later turns other routers have sent there nearly all find their own
  /// text.
  @Test
  void whatOtherRoutersHaveLeftThereIsNotWhatAllFind() {
    Random random = new Random(3);
    for (int k = 0; k < 400; k++) {
      asked(PAGED, 1, k % 10 == 0 ? 0 : 4000 + random.nextInt(1000), true);
    }
    assertThat(found(PAGED)).isZero();
    assertThat(index.elsewhere()).isGreaterThan(0.5);
  }

  @Test
  void oneThatFindsLessCountsForMore() {
    for (int k = 0; k < 400; k++) {
      asked(PAGED, 1, k % 3 == 0 ? 0 : SYSTEM, false);
    }
    assertThat(found(PAGED)).isLessThan(0.5 * SYSTEM);
  }
}
