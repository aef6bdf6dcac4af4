package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tokens counted by an engine's `/tokenize` before any answer has said what prompts come to.
class CalibrationIT {
  private static final String CHINESE = "今天天气很好我们去公园散步孩子们在草地上放风筝".repeat(300);
  private static final String NUMBERS = "3.14159 27182 0.57721 ".repeat(600);
  private static final String PROSE = "Nobody in the town had seen the baker since. ".repeat(400);

  private final List<FakeEngine> engines = new ArrayList<>();
  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
    engines.forEach(FakeEngine::close);
  }

  private FakeEngine engine(String name) throws IOException {
    FakeEngine e = new FakeEngine(name);
    engines.add(e);
    return e;
  }

  private void start(String key) throws Exception {
    rig.start(
        Ticker.SYSTEM,
        engines.stream().map(e -> e.known("127.0.0.1", key)).toList(),
        "health_interval=0.1",
        "health_timeout=1",
        "size_metric=tokens");
  }

  private void results(String result, int models) {
    String line = "infini_router_calibrations_total{result=\"" + result + "\"} " + models + ".0";
    await().atMost(Rig.SOON).untilAsserted(() -> assertThat(rig.text("/metrics")).contains(line));
  }

  /// A tokenizer that is far from the first guesses: a token for each character beyond ASCII, each
  /// digit and each mark, and one for six letters.
  private static int tokens(String text) {
    long letters = text.chars().filter(c -> c < 128 && Character.isLetter(c) || c <= ' ').count();
    return (int) (text.length() - letters + letters / 6);
  }

  private long estimated(String text) throws IOException {
    String body =
        new String(
            Json.bytes(
                Map.of("model", "m", "messages", List.of(Map.of("role", "user", "content", text)))),
            UTF_8);
    // one character for each byte, as the rig sends them
    String bytes = new String(body.getBytes(UTF_8), java.nio.charset.StandardCharsets.ISO_8859_1);
    return Long.parseLong(rig.send(Rig.post(Rig.CHAT, "", bytes)).field("x-infini-size"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"vllm", "sglang", "llamacpp"})
  void theFirstLongPromptOfEachKindIsEstimatedWell(String owner) throws Exception {
    for (String name : List.of("a", "b")) {
      engine(name)
          .lists(owner, "m", "")
          .says(
              "/tokenize",
              r -> {
                String key = owner.equals("llamacpp") ? "content" : "prompt";
                int n = tokens(FakeEngine.json(r).path(key).asText());
                List<Integer> ids = Collections.nCopies(n, 7);
                return Response.json(
                    200,
                    owner.equals("llamacpp")
                        ? Map.of("tokens", ids)
                        : Map.of("count", n, "max_model_len", 4096, "tokens", ids));
              });
    }
    start("Bearer key");
    results("counted", 1);
    for (String text : List.of(CHINESE, NUMBERS, PROSE, PROSE + NUMBERS + CHINESE)) {
      assertThat(estimated(text) / (double) tokens(text))
          .as(text.substring(0, 10))
          .isBetween(0.85, 1.15);
    }
    List<String> sent = new ArrayList<>();
    List<String> keys = new ArrayList<>();
    engines.forEach(e -> {
      sent.addAll(e.bodies.getOrDefault("/tokenize", List.of()));
      keys.addAll(e.keys);
    });
    assertThat(sent).as("one instance, each text once").hasSize(4).doesNotHaveDuplicates();
    assertThat(sent).allMatch(s -> s.length() < 2000 && s.contains("\"add_special_tokens\":false"));
    assertThat(new HashSet<>(keys)).containsExactly("Bearer key");
  }

  @ParameterizedTest
  @ValueSource(ints = {404, 405, 501})
  void anEngineWithoutTheRouteIsAskedOnce(int status) throws Exception {
    FakeEngine a =
        engine("a").lists("vllm", "m", "").says("/tokenize", r -> Response.json(status, "no"));
    start(null);
    results("no_route", 1);
    probed(a, 10);
    assertThat(a.times("/tokenize")).isEqualTo(1);
    assertThat(rig.health()).isEqualTo("1/1");
    assertThat(rig.chat().ok()).isTrue();
  }

  /// Waits until an engine has been probed so often from now on.
  private void probed(FakeEngine e, int times) {
    CountDownLatch probes = new CountDownLatch(times);
    e.says(
        "/health",
        r -> {
          probes.countDown();
          return Response.json(200, "ok");
        });
    await().atMost(Rig.SOON).until(() -> probes.getCount() == 0);
  }

  @Test
  void anEngineThatHangsOrSaysNonsenseLosesNothing() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    FakeEngine hangs =
        engine("hangs")
            .lists("vllm", "m", "")
            .says(
                "/tokenize",
                r -> {
                  end.await();
                  return Response.json(200, Map.of("count", 1));
                });
    start(null);
    await().atMost(Rig.SOON).until(() -> hangs.times("/tokenize") == 1);
    assertThat(rig.chat().ok()).as("meanwhile").isTrue();
    results("failed", 1);
    end.countDown();
    probed(hangs, 10);
    assertThat(hangs.times("/tokenize")).as("again in some minutes").isEqualTo(1);
    assertThat(rig.health()).isEqualTo("1/1");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"{}", "[]", "{'count':0}", "{'count':-3}", "{'count':99999999}", "{'tokens':'x'}"})
  void aCountThatIsNoneIsNotBelieved(String said) throws Exception {
    engine("a").lists("vllm", "m", "").says("/tokenize", said);
    start(null);
    results("failed", 1);
    assertThat(estimated(PROSE) / (PROSE.length() / 4.0)).isBetween(0.9, 1.1);
  }

  /// To count would load the model.
  @Test
  void aModelThatIsNotInMemoryAndAnEngineThatIsNotKnownAreNotAsked() throws Exception {
    FakeEngine a =
        engine("a")
            .lists("llamacpp", "m", ",'status':{'value':'unloaded'}")
            .says("/tokenize", "{'tokens':[1]}");
    FakeEngine b = engine("b").lists("somebody", "n", "").says("/tokenize", "{'tokens':[1]}");
    start(null);
    probed(a, 10);
    probed(b, 10);
    assertThat(a.times("/tokenize")).isZero();
    assertThat(b.times("/tokenize")).isZero();
  }
}
