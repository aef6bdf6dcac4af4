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
  private void asked(Instance i, int requests, long cached) {
    for (int k = 0; k < requests; k++) {
      index.settled(key++, i, SYSTEM + 400, 50, cached);
    }
  }

  private double found(Instance i) {
    return index.of(key).at(i, SYSTEM + 400);
  }

  @Test
  void aSystemPromptIsFoundByEachNewConversation() {
    asked(PAGED, 100, SYSTEM);
    asked(OTHER, 100, SYSTEM);
    asked(STATIC, 100, 0);
    assertThat(found(PAGED)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
    assertThat(found(OTHER)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
    assertThat(found(STATIC)).isZero();
    assertThat(index.elsewhere()).as("beyond what all find").isLessThan(0.02);
  }

  @Test
  void aConversationThatMovesFindsItToo() {
    for (int k = 0; k < 100; k++) {
      index.settled(key, PAGED, SYSTEM + 400, 50, 0);
      index.settled(key++, OTHER, SYSTEM + 450, 50, SYSTEM);
    }
    assertThat(found(OTHER)).isBetween(0.95 * SYSTEM, 1.0 * SYSTEM);
  }

  /// Of each conversation that other routers had sent there before its own text is found.
  @Test
  void whatSomeFindOfTheirOwnIsNotWhatAllFind() {
    Random random = new Random(3);
    for (int k = 0; k < 400; k++) {
      asked(PAGED, 1, k % 3 == 0 ? 0 : 1000 + random.nextInt(4000));
    }
    assertThat(found(PAGED)).isLessThan(0.3 * SYSTEM);
    assertThat(index.elsewhere()).isGreaterThan(0.1);
  }
}
