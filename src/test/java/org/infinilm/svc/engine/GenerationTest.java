package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Answers as bytes, without a socket.
class GenerationTest {
  private static final Duration SOON = Duration.ofMinutes(2);
  private static final int CELLS = 16_384;
  private static final int MOST = 15_000;

  /// A client that takes nothing until its gate opens.
  private static final class Slow implements Response.BodySink {
    final CountDownLatch gate = new CountDownLatch(1);
    final AtomicBoolean aborted = new AtomicBoolean();
    final ByteArrayOutputStream got = new ByteArrayOutputStream();

    @Override
    public void write(byte[] piece) throws InterruptedException {
      gate.await();
      got.writeBytes(piece);
    }

    @Override
    public void abort() {
      aborted.set(true);
    }

    @Override
    public void reset() {
      aborted.set(true);
    }
  }

  private final FakeLlama llama = new FakeLlama(CELLS, FakeLlama.LETTERS.size());
  private final EngineMetrics metrics = new EngineMetrics("m", true, 16, CELLS / 16);
  private final TokenTable table = new TokenTable(FakeLlama.LETTERS);
  private final Engine engine =
      new Engine(
          llama,
          new PagedCache(llama, CELLS, 16, 4, 6, 128),
          new Scheduler.Limits(true, CELLS, 16, 4, 32, 0),
          table,
          new Engine.Patience(100, SOON, SOON),
          metrics,
          Ticker.SYSTEM);

  private List<Job> jobs(Ask ask, int tokens) {
    List<Job> jobs = new ArrayList<>();
    for (int i = 0; i < ask.choices(); i++) {
      jobs.add(engine.submit(new int[] {1, 2, 3}, tokens, ask.sampling()).orElseThrow());
    }
    return jobs;
  }

  private Generation generation(Ask ask, List<Job> jobs) {
    return new Generation(
        ask,
        jobs,
        engine,
        new Answers(true, "id", 1, "m", "f"),
        new LogprobsJson(true, table),
        () -> null,
        metrics);
  }

  private static Ask ask(Map<String, Object> fields) throws Exception {
    return new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L).chat(Json.bytes(fields));
  }

  private String scraped() {
    return new String(metrics.scrape(), StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aStreamThatIsNotReadEndsWhenTooMuchOfItIsHeld(int choices) throws Exception {
    Ask ask =
        ask(
            Map.of(
                "prompt",
                "a",
                "stream",
                true,
                "ignore_eos",
                true,
                "n",
                choices,
                "logprobs",
                true,
                "top_logprobs",
                20,
                "temperature",
                0));
    List<Job> jobs = jobs(ask, MOST / choices);
    engine.start();
    Slow client = new Slow();
    Response response = generation(ask, jobs).stream();
    Thread writer =
        Thread.ofVirtual()
            .start(() -> {
              try {
                Objects.requireNonNull(response.stream()).write(client);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    await()
        .atMost(SOON)
        .until(() ->
            scraped().contains("vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 0.0"));
    assertThat(client.got.size()).isZero();
    client.gate.countDown();
    writer.join();
    engine.stop();
    assertThat(client.aborted).isTrue();
    String text = client.got.toString(StandardCharsets.UTF_8);
    assertThat(text).endsWith("}\n\n").doesNotContain("[DONE]");
    assertThat(text.substring(text.lastIndexOf("data: ")))
        .contains("\"code\":\"stream_not_read\"")
        .contains("" + Generation.MOST_UNREAD_BYTES);
    assertThat(jobs).allSatisfy(j -> assertThat(j.produced).isBetween(1000, MOST / choices - 1));
    assertThat(scraped()).contains("infini_engine_requests_total{outcome=\"client_error\"} 1.0");
  }

  @Test
  void aWholeAnswerIsMadeHoweverLongItIs() throws Exception {
    Ask ask =
        ask(
            Map.of(
                "prompt",
                "a",
                "ignore_eos",
                true,
                "n",
                2,
                "logprobs",
                true,
                "top_logprobs",
                20,
                "temperature",
                0));
    List<Job> jobs = jobs(ask, 3000);
    engine.start();
    Response response = generation(ask, jobs).whole();
    engine.stop();
    assertThat(response.status()).isEqualTo(200);
    Slow client = new Slow();
    client.gate.countDown();
    Objects.requireNonNull(response.stream()).write(client);
    assertThat(Json.tree(client.got.toByteArray()).path("usage").path("completion_tokens").asInt())
        .isEqualTo(6000);
  }
}
