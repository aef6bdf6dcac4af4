package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `/metrics` says after a known set of requests, and after clients that vanish.
class MetricsIT {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final String MODEL = "{engine=\"0\",model_name=\"m\"}";
  private static final List<String> SECONDS =
      List.of(
          "vllm:time_to_first_token_seconds",
          "vllm:e2e_request_latency_seconds",
          "vllm:request_queue_time_seconds",
          "vllm:request_prefill_time_seconds",
          "vllm:request_decode_time_seconds",
          "vllm:request_inference_time_seconds");

  @TempDir Path folder;
  private ServedEngine engine;

  @BeforeEach
  void start() throws Exception {
    Path model = GgufWriter.write(folder.resolve("m.gguf"), GgufWriter.Size.TINY, 5, null);
    engine = ServedEngine.start(new EngineSetup(true, 2048, 16, 4, 20, 1, 16), model);
  }

  @AfterEach
  void stop() throws Exception {
    engine.stop();
  }

  private static Map<String, Object> completion(String prompt, int tokens) {
    return Map.of("prompt", prompt, "max_tokens", tokens, "ignore_eos", true);
  }

  @Test
  void aKnownSetOfRequests() throws Exception {
    String prompt = "ab cd ef gh ij kl mn op qr st uv wx yz ab cd ef gh ij kl mn op";
    int promptTokens = 0;
    int cached = 0;
    for (int i = 0; i < 3; i++) {
      JsonNode usage = engine.post("/v1/completions", completion(prompt, 5)).path("usage");
      promptTokens += usage.path("prompt_tokens").asInt();
      cached += usage.path("prompt_tokens_details").path("cached_tokens").asInt();
    }
    assertThat(cached).isPositive();
    assertThat(engine.status("/v1/completions", Map.of("prompt", "a", "max_tokens", -1)))
        .isEqualTo(400);
    MetricsPage page = engine.page();
    assertThat(page.value("vllm:num_requests_running" + MODEL)).isZero();
    assertThat(page.value("vllm:num_requests_waiting" + MODEL)).isZero();
    assertThat(page.value("vllm:kv_cache_usage_perc" + MODEL)).isZero();
    assertThat(page.value("vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"128\"}"))
        .isEqualTo(1);
    assertThat(page.value("vllm:prompt_tokens_total" + MODEL)).isEqualTo(promptTokens);
    assertThat(page.value("vllm:prefix_cache_queries_total" + MODEL)).isEqualTo(promptTokens);
    assertThat(page.value("vllm:prefix_cache_hits_total" + MODEL)).isEqualTo(cached);
    assertThat(page.value("vllm:generation_tokens_total" + MODEL)).isEqualTo(15);
    assertThat(page.value("vllm:num_preemptions_total" + MODEL)).isZero();
    assertThat(page.value(success("length"))).isEqualTo(3);
    assertThat(page.value(success("stop"))).isZero();
    assertThat(page.value(success("abort"))).isZero();
    for (String name : SECONDS) {
      assertThat(page.type(name)).isEqualTo("histogram");
      assertThat(page.value(name + "_count")).as(name).isEqualTo(3);
    }
    assertThat(page.value("vllm:inter_token_latency_seconds_count")).isEqualTo(12);
    assertThat(page.value("vllm:request_prompt_tokens_sum")).isEqualTo(promptTokens);
    assertThat(page.value("vllm:request_generation_tokens_sum")).isEqualTo(15);
    double whole = page.value("vllm:e2e_request_latency_seconds_sum");
    double queued = page.value("vllm:request_queue_time_seconds_sum");
    double prefill = page.value("vllm:request_prefill_time_seconds_sum");
    double decode = page.value("vllm:request_decode_time_seconds_sum");
    double inference = page.value("vllm:request_inference_time_seconds_sum");
    assertThat(prefill + decode).isCloseTo(inference, within());
    assertThat(queued + inference).isCloseTo(whole, within());
    assertThat(queued + prefill)
        .isCloseTo(page.value("vllm:time_to_first_token_seconds_sum"), within());
    assertThat(page.value("vllm:inter_token_latency_seconds_sum")).isCloseTo(decode, within());
    assertThat(page.value("infini_engine_requests_total{outcome=\"ok\"}")).isEqualTo(3);
    assertThat(page.value("infini_engine_requests_total{outcome=\"client_error\"}")).isEqualTo(1);
    assertThat(page.value("infini_engine_steps_total" + MODEL)).isEqualTo(15);
    assertThat(page.value("infini_engine_step_tokens_sum"))
        .isEqualTo(promptTokens - cached + 3 * 4);
    assertThat(page.value("infini_engine_batch_size_count")).isEqualTo(12);
    assertThat(page.value("infini_engine_stuck" + MODEL)).isZero();
    assertThat(page.value("infini_engine_kept_tokens" + MODEL)).isPositive();
    assertThat(page.type("vllm:request_success_total")).isEqualTo("counter");
    assertThat(page.type("vllm:kv_cache_usage_perc")).isEqualTo("gauge");
  }

  private static org.assertj.core.data.Offset<Double> within() {
    return org.assertj.core.data.Offset.offset(1e-6);
  }

  private static String success(String reason) {
    return "vllm:request_success_total{engine=\"0\",finished_reason=\""
        + reason
        + "\",model_name=\"m\"}";
  }

  @Test
  void aKilledClientFreesItsSequenceWithinOneStep() throws Exception {
    for (int i = 0; i < 20; i++) {
      vanish();
    }
    await()
        .atMost(SOON)
        .until(() ->
            engine.page().value("infini_engine_requests_total{outcome=\"client_gone\"}") == 20);
    MetricsPage page = engine.page();
    assertThat(page.value("vllm:num_requests_running" + MODEL)).isZero();
    assertThat(page.value("vllm:kv_cache_usage_perc" + MODEL)).isZero();
    assertThat(page.value(success("abort"))).isEqualTo(20);
    assertThat(page.value("infini_engine_cancel_steps_count")).isEqualTo(20);
    assertThat(page.value(atMostOneStep())).isEqualTo(20);
    assertThat(page.value("vllm:generation_tokens_total" + MODEL)).isLessThan(20 * 1500);
  }

  private static String atMostOneStep() {
    return "infini_engine_cancel_steps_bucket{engine=\"0\",model_name=\"m\",le=\"1.0\"}";
  }

  /// Asks for a long stream and resets the connection at its first bytes, as a killed process does.
  private void vanish() throws Exception {
    byte[] body =
        Json.bytes(
            Map.of("prompt", "ab cd", "max_tokens", 1500, "stream", true, "ignore_eos", true));
    String head =
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            + "content-length: "
            + body.length
            + "\r\n\r\n";
    try (Socket socket = new Socket(InetAddress.getByName("127.0.0.1"), engine.server().port())) {
      socket.setSoLinger(true, 0);
      socket.setSoTimeout((int) SOON.toMillis());
      socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      socket.getOutputStream().write(body);
      InputStream in = socket.getInputStream();
      StringBuilder seen = new StringBuilder();
      byte[] some = new byte[256];
      while (seen.indexOf("data: ") < 0) {
        int n = in.read(some);
        assertThat(n).isPositive();
        seen.append(new String(some, 0, n, StandardCharsets.ISO_8859_1));
      }
    }
  }
}
