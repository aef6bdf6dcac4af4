package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Long prompts stop nobody.
class ReadingTest {
  private static final int MIDDLE = Reading.SHORT_BYTES + 1;
  private static final int LONG = Reading.MIDDLE_BYTES + 1;
  private static final Duration SOON = Duration.ofSeconds(30);

  private final Reading reading = new Reading();

  /// Clients stay.
  private static boolean gone() {
    return false;
  }

  private String said(int bytes, Reading.Work<String> work) throws Exception {
    return reading.read(bytes, ReadingTest::gone, work);
  }

  @Test
  void requestsAreReadOnThreadsThatCarryNoOthers() throws Exception {
    assertThat(said(1, effort -> String.valueOf(Thread.currentThread().isVirtual())))
        .isEqualTo("false");
    assertThat(said(1, effort -> Thread.currentThread().getName())).isEqualTo("read");
    assertThat(said(LONG, effort -> Thread.currentThread().getName())).isEqualTo("read-long");
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
                        ReadingTest::gone,
                        effort -> {
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
      assertThat(said(1, effort -> "read")).isEqualTo("read");
    } finally {
      gate.countDown();
    }
    for (Thread t : clients) {
      t.join();
    }
    assertThat(said(LONG, effort -> "again")).isEqualTo("again");
  }

  @Test
  void whatTheReadingSaysIsSaid() {
    ApiError known = ApiError.value("prompt", "bad", "good");
    assertThatThrownBy(() ->
            reading.read(
                1,
                ReadingTest::gone,
                effort -> {
                  throw known;
                }))
        .isSameAs(known);
    assertThatThrownBy(() ->
            reading.read(
                LONG,
                ReadingTest::gone,
                effort -> {
                  throw new IllegalStateException("x");
                }))
        .isInstanceOf(IllegalStateException.class);
  }

  /// One token a character, and one piece so long that the length of a text alone says little.
  private static Vocabulary counting(AtomicLong characters) {
    return vocabulary(
        characters,
        () -> {
          throw new IllegalArgumentException();
        });
  }

  private static Vocabulary forming(Supplier<Grammar> forms) {
    return vocabulary(new AtomicLong(), forms);
  }

  private static Vocabulary vocabulary(AtomicLong characters, Supplier<Grammar> forms) {
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
        return forms.get();
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
            new EngineMetrics("m", true, 16, 1),
            Ticker.SYSTEM);
    return new Loaded(vocabulary, table, engine, 10);
  }

  private static Ask ask(String text) throws ApiError {
    AskReader reader = new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L);
    return reader.completion(Json.bytes(Map.of("prompt", text)));
  }

  @Test
  void aPromptThatIsFarTooLongIsRefusedBeforeAllOfItIsTokenised() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4096);
    Ask far = ask("some words ".repeat(200_000));
    assertThatThrownBy(() -> loaded.prompt(far))
        .isInstanceOf(ApiError.class)
        .hasMessageContaining("the prompt has at least ")
        .hasMessageContaining("together at most 4096 tokens");
    assertThat(characters.get()).isLessThan(4096 + 3 * PieceTokenizer.PIECE_CHARS);
  }

  @Test
  void aPromptThatFitsIsTokenisedWhole() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4096);
    characters.set(0);
    assertThat(loaded.prompt(ask("x".repeat(4000)))).hasSize(4000);
    assertThat(characters.get()).isEqualTo(4000);
  }

  @Test
  void ideographsAreCountedAsTheBytesThatTheyAre() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 40_000);
    Ask far = ask("漢".repeat(100_000));
    characters.set(0);
    assertThatThrownBy(() -> loaded.prompt(far))
        .hasMessageContaining("together at most 40000 tokens");
    assertThat(characters.get()).isLessThan(40_000 + 12 * PieceTokenizer.PIECE_CHARS);
  }

  @Test
  void aTextThatCannotFitIsRefusedByItsBytes() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4);
    Ask far = ask("漢".repeat(6000));
    characters.set(0);
    assertThatThrownBy(() -> loaded.prompt(far))
        .hasMessageContaining("the prompt has at least 5 tokens");
    assertThat(characters).hasValue(0);
  }

  /// llama.cpp gets one byte for half a character.
  @Test
  void aTextOfHalvesOfCharactersIsNotCountedAsMoreBytesThanItHas() throws Exception {
    AtomicLong characters = new AtomicLong();
    Loaded loaded = loaded(counting(characters), 4);
    Ask ask =
        new Ask(
            null,
            null,
            "\ud800".repeat(10_000),
            null,
            true,
            true,
            1,
            false,
            false,
            false,
            1,
            ask("a").sampling(),
            null);
    characters.set(0);
    assertThatThrownBy(() -> loaded.prompt(ask)).hasMessageContaining("together at most 4 tokens");
    assertThat(characters.get()).as("10,000 bytes may be three tokens").isPositive();
  }

  @Test
  void aReadingThatGoesOnLetsThoseOfOtherSizesHaveTheirTurn() throws Exception {
    CountDownLatch read = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(1);
    Thread client =
        Thread.ofVirtual()
            .start(() -> {
              try {
                reading.read(
                    LONG,
                    ReadingTest::gone,
                    effort -> {
                      begun.countDown();
                      while (read.getCount() > 0) {
                        effort.pause();
                      }
                      return "";
                    });
              } catch (ApiError | InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    begun.await();
    try {
      assertThat(said(MIDDLE, effort -> Thread.currentThread().getName())).isEqualTo("read-middle");
      assertThat(client.isAlive()).isTrue();
    } finally {
      read.countDown();
    }
    client.join();
  }

  @Test
  void aClientThatLeavesEndsTheReading() {
    AtomicInteger pieces = new AtomicInteger();
    for (int bytes : List.of(1, MIDDLE, LONG)) {
      pieces.set(0);
      assertThatThrownBy(() ->
              reading.read(
                  bytes,
                  () -> pieces.get() >= 3,
                  effort -> {
                    while (true) {
                      pieces.incrementAndGet();
                      effort.pause();
                    }
                  }))
          .isInstanceOf(ApiError.class)
          .hasMessageContaining("the client has gone");
      assertThat(pieces).hasValue(3);
    }
    assertThatThrownBy(() ->
            reading.read(
                1,
                () -> pieces.get() >= 4,
                effort -> {
                  pieces.set(4);
                  for (int i = 0; i < 2000; i++) {
                    effort.schema(1);
                  }
                  return "";
                }))
        .hasMessageContaining("the client has gone");
  }

  @Test
  void anAnswerWithMoreLogProbabilitiesThanFitIsRefused() throws Exception {
    AskReader reader = new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L);
    Ask ask =
        reader.completion(
            Json.bytes(Map.of("prompt", "a", "n", 16, "logprobs", 5, "max_tokens", 1042)));
    Loaded.checkLogprobs(ask, 1041);
    assertThatThrownBy(() -> Loaded.checkLogprobs(ask, 1042))
        .hasMessage(
            "logprobs: 100032 of them (n x max_tokens x (1 + those beside each)) (expected: at most"
                + " 100000)");
    Loaded.checkLogprobs(ask("a"), 100_000);
    Ask stream =
        reader.completion(
            Json.bytes(Map.of("prompt", "a", "n", 16, "logprobs", 5, "stream", true)));
    Loaded.checkLogprobs(stream, 100_000);
  }

  @Test
  void manySmallPartsAreRefusedAsSoonAsTheyAreTooMany() {
    AtomicLong characters = new AtomicLong();
    Vocabulary counting = counting(characters);
    PieceTokenizer tokenizer = new PieceTokenizer(counting, counting.pieces());
    characters.set(0);
    List<PromptText.Part> parts = new ArrayList<>();
    for (int i = 0; i < 10_000; i++) {
      parts.add(new PromptText.Part("<s>", true));
    }
    assertThatThrownBy(() ->
            tokenizer.tokens(
                parts,
                false,
                Effort.alone(),
                sure -> {
                  if (sure > 30) {
                    throw ApiError.value("prompt", "" + sure, "30");
                  }
                }))
        .isInstanceOf(ApiError.class);
    assertThat(characters).hasValue(33);
  }

  @ParameterizedTest
  @ValueSource(strings = {"error", "refusal", "fault"})
  void formsThatWereMadeAreFreedWhenALaterOneCannotBe(String how) throws Exception {
    AtomicInteger made = new AtomicInteger();
    AtomicInteger freed = new AtomicInteger();
    Grammar form =
        new Grammar() {
          @Override
          public boolean allows(int token) {
            return true;
          }

          @Override
          public void filter(float[] logits) {}

          @Override
          public void accept(int token) {}

          @Override
          public void close() {
            freed.incrementAndGet();
          }
        };
    Loaded loaded =
        loaded(
            forming(() -> {
              if (made.incrementAndGet() < 3) {
                return form;
              }
              switch (how) {
                case "error" -> throw new OutOfMemoryError("no room");
                case "refusal" -> throw new IllegalArgumentException("not this one");
                default -> throw new IllegalStateException("broken");
              }
            }),
            4096);
    Ask ask =
        new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L)
            .completion(
                Json.bytes(
                    Map.of(
                        "prompt", "a", "n", 3, "response_format", Map.of("type", "json_object"))));
    assertThatThrownBy(() -> loaded.grammars(ask, "root ::= \"a\"", 12, Effort.alone()))
        .isNotNull();
    assertThat(freed).hasValue(2);
    made.set(-10);
    assertThat(loaded.grammars(ask, "root ::= \"a\"", 12, Effort.alone())).hasSize(3);
    assertThat(freed).as("those of an answer are its own").hasValue(2);
  }
}
