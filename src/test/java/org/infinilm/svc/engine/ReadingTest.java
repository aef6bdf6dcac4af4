package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// Long prompts stop nobody.
class ReadingTest {
  private static final int LONG = Reading.SHORT_BYTES + 1;
  private static final Duration SOON = Duration.ofSeconds(30);

  private final Reading reading = new Reading();

  @Test
  void requestsAreReadOnThreadsThatCarryNoOthers() throws Exception {
    assertThat(reading.read(1, () -> Thread.currentThread().isVirtual())).isFalse();
    assertThat(reading.read(1, () -> Thread.currentThread().getName())).isEqualTo("read");
    assertThat(reading.read(LONG, () -> Thread.currentThread().getName())).isEqualTo("read-long");
  }

  @Test
  void aShortRequestDoesNotWaitBehindLongOnesAndTooManyLongOnesAreRefused() throws Exception {
    CountDownLatch gate = new CountDownLatch(1);
    AtomicInteger refused = new AtomicInteger();
    List<Thread> clients = new ArrayList<>();
    try {
      for (int i = 0; i < 40; i++) {
        clients.add(
            Thread.ofVirtual()
                .start(() -> {
                  try {
                    reading.read(
                        LONG,
                        () -> {
                          gate.await();
                          return "";
                        });
                  } catch (ApiError e) {
                    assertThat(e.status()).isEqualTo(429);
                    refused.incrementAndGet();
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                }));
      }
      await().atMost(SOON).untilAtomic(refused, org.hamcrest.Matchers.equalTo(7));
      assertThat(reading.read(1, () -> "read")).isEqualTo("read");
    } finally {
      gate.countDown();
    }
    for (Thread t : clients) {
      t.join();
    }
    assertThat(reading.read(LONG, () -> "again")).isEqualTo("again");
  }

  @Test
  void whatTheReadingSaysIsSaid() {
    ApiError known = ApiError.value("prompt", "bad", "good");
    assertThatThrownBy(() ->
            reading.read(
                1,
                () -> {
                  throw known;
                }))
        .isSameAs(known);
    assertThatThrownBy(() ->
            reading.read(
                LONG,
                () -> {
                  throw new IllegalStateException("x");
                }))
        .isInstanceOf(IllegalStateException.class);
  }

  /// One token a character, and one piece so long that the length of a text alone says little.
  private static Vocabulary counting(AtomicLong characters) {
    byte[][] pieces = new byte[100][1];
    pieces[0] = new byte[4096];
    return new Vocabulary() {
      @Override
      public int size() {
        return pieces.length;
      }

      @Override
      public boolean isEnd(int token) {
        return false;
      }

      @Override
      public int[] tokenize(String text, boolean special, boolean control) {
        characters.addAndGet(text.length());
        return new int[text.length()];
      }

      @Override
      public byte[][] pieces() {
        return pieces;
      }

      @Override
      public String prompt(List<Message> messages, boolean answerTurn) {
        return messages.getLast().content();
      }

      @Override
      public Grammar grammar(String gbnf) {
        throw new IllegalArgumentException();
      }
    };
  }

  private static Loaded loaded(Vocabulary vocabulary, int cells) {
    FakeLlama llama = new FakeLlama(cells, vocabulary.size());
    TokenTable table = new TokenTable(vocabulary);
    Engine engine =
        new Engine(
            llama,
            new StaticCache(llama),
            new Scheduler.Limits(false, cells, 16, 1, 32, 0),
            table,
            new Engine.Patience(1, SOON, SOON),
            new EngineMetrics("m", 16, 1),
            Ticker.SYSTEM);
    return new Loaded(vocabulary, table, engine, 10);
  }

  private static Ask ask(String text) throws ApiError {
    AskReader reader = new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L);
    return reader.completion(org.infinilm.svc.http.Json.bytes(java.util.Map.of("prompt", text)));
  }

  @Test
  void aPromptThatIsFarTooLongIsRefusedBeforeAllOfItIsTokenised() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4096);
    Ask far = ask("some words ".repeat(200_000));
    assertThatThrownBy(() -> loaded.prompt(far))
        .isInstanceOf(ApiError.class)
        .hasMessageContaining("the prompt has more than ")
        .hasMessageContaining("together at most 4096 tokens");
    assertThat(characters.get()).isLessThan(2 * (32 << 10));
  }

  @Test
  void aPromptThatFitsIsTokenisedWhole() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4096);
    assertThat(loaded.prompt(ask("x".repeat(4000)))).hasSize(4000);
    assertThat(characters.get()).isEqualTo(4000);
  }
}
