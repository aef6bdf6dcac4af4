package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.airlift.compress.v3.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Bodies of every kind through a whole router: routed by what they hold, forwarded as they came.
class BodiesIT {
  private static final String CHAT =
      "{\"model\":\"B\",\"messages\":[{\"role\":\"user\",\"content\":\"hello hello hello\"}]}";
  private static final byte[] CHAT_IN_BROTLI =
      Base64.getDecoder()
          .decode(
              "G0cAcJwHdqxlGi4tSLtHLbLHtrWE5FqHpatvipS9gUNOBI4tSSCOOdiAw8gbl4UnqUGGl+UPlUWEB5f4Dg==");

  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
  }

  private ScriptedInstance instance(
      String name, ScriptedInstance.Script script, Map<String, Object> metadata)
      throws IOException {
    ScriptedInstance i = new ScriptedInstance(name, script);
    rig.instances.add(i);
    rig.registry.add(name, i.port(), metadata);
    return i;
  }

  private ScriptedInstance serving(String model) throws IOException {
    return instance(
        "of-" + model,
        ScriptedInstance.answering((r, n) -> Rig.OK),
        Map.of("models", List.of(model)));
  }

  private static byte[] encoded(String coding) throws IOException {
    if (coding.equals("br")) {
      return CHAT_IN_BROTLI;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (OutputStream o =
        switch (coding) {
          case "gzip" -> new GZIPOutputStream(out);
          case "deflate" -> new DeflaterOutputStream(out);
          default -> ZstdOutputStream.create(out);
        }) {
      o.write(CHAT.getBytes(UTF_8));
    }
    return out.toByteArray();
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate", "br", "zstd"})
  void aCodedBodyIsRoutedByWhatItHoldsAndForwardedAsItCame(String coding) throws Exception {
    ScriptedInstance a = serving("A");
    ScriptedInstance b = serving("B");
    rig.start();
    String body = new String(encoded(coding), ISO_8859_1);
    Said said = rig.send(Rig.post(Rig.CHAT, "Content-Encoding: " + coding + "\r\n", body));
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-size")).isEqualTo(Integer.toString(CHAT.length()));
    assertThat(a.seen).isEmpty();
    assertThat(b.seen).singleElement().asString().endsWith("\r\n\r\n" + body);
    assertThat(b.seen.getFirst()).containsIgnoringCase("content-encoding: " + coding);
  }

  /// Valid, and once too much for the stack of the loop that read it.
  @Test
  void aBodyOfManyEmptyMembersIsRead() throws Exception {
    serving("A");
    ScriptedInstance b = serving("B");
    rig.start();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.writeBytes(encoded("gzip"));
    ByteArrayOutputStream empty = new ByteArrayOutputStream();
    new GZIPOutputStream(empty).close();
    for (int k = 0; k < 100_000; k++) {
      body.writeBytes(empty.toByteArray());
    }
    body.writeBytes(encoded("gzip"));
    String sent = body.toString(ISO_8859_1);
    Said said = rig.send(Rig.post(Rig.CHAT, "Content-Encoding: gzip\r\n", sent));
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-size")).isEqualTo(Integer.toString(2 * CHAT.length()));
    assertThat(b.seen).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({"lz4, 415", "'gzip, gzip', 415", "gzip, 400"})
  void aCodingThatCannotBeUndoneIsSaidToBeOne(String coding, int status) throws Exception {
    serving("A");
    ScriptedInstance b = serving("B");
    rig.start();
    Said said = rig.send(Rig.post(Rig.CHAT, "Content-Encoding: " + coding + "\r\n", CHAT));
    assertThat(said.status()).isEqualTo(status);
    assertThat(said.body()).contains(coding).contains("content");
    assertThat(said.field("x-should-retry")).isEqualTo("false");
    assertThat(b.seen).isEmpty();
  }

  @Test
  void theModelOfAFormIsFoundBehindALargeFile() throws Exception {
    ScriptedInstance a = serving("A");
    ScriptedInstance b = serving("B");
    rig.start();
    String file =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
            + "\0".repeat(204_800)
            + "\r\n";
    String model = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nB\r\n";
    String type = "Content-Type: multipart/form-data; boundary=x\r\n";
    for (String body : List.of(file + model + "--x--\r\n", model + file + "--x--\r\n")) {
      assertThat(rig.send(Rig.post("/v1/audio/transcriptions", type, body)).ok()).isTrue();
      assertThat(b.seen.getLast()).endsWith(body);
    }
    Said none = rig.send(Rig.post("/v1/audio/transcriptions", type, file + "--x--\r\n"));
    assertThat(none.status()).isEqualTo(400);
    assertThat(none.body()).contains("model_required", "A, B");
    assertThat(a.seen).isEmpty();
  }

  /// An instance that counts as a real one does: 5,684 tokens for 30,000 characters of prose, 14
  /// for a greeting.
  private static String counting(String request) {
    String json =
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":20,\"total_tokens\":9}}"
            .formatted(request.length() > 20_000 ? 5684 : 14);
    return "HTTP/1.1 200 OK\r\nContent-Length: " + json.length() + "\r\n\r\n" + json;
  }

  @Test
  void aLongPromptGoesWhereItFitsWhateverChatsCameBefore() throws Exception {
    ScriptedInstance.Script counts = ScriptedInstance.answering((r, n) -> counting(r));
    ScriptedInstance small =
        instance("paged4k", counts, Map.of("cache_type", "paged", "max_model_len", 4096));
    instance("static16k", counts, Map.of("cache_type", "static", "max_cache_len", 16384));
    rig.start();
    String prose =
        "It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(500);
    String longBody =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
            + prose.substring(0, 30_000)
            + "\"}]}";
    String shortBody =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello, who are you?\"}]}";
    for (int round = 1; round <= 3; round++) {
      Said said = rig.send(Rig.post(Rig.CHAT, "", longBody));
      assertThat(said.field("x-infini-instance")).as("round %d", round).isEqualTo("static16k");
      assertThat(said.field("x-infini-reason")).isEqualTo("fit");
      for (int k = 0; k < 20; k++) {
        Said hello = rig.send(Rig.post(Rig.CHAT, "", shortBody));
        assertThat(hello.field("x-infini-instance")).isEqualTo("paged4k");
      }
    }
    assertThat(small.seen).hasSize(60);
  }

  @Test
  void theTokenMetricLearnsWhatPromptsComeTo() throws Exception {
    instance("paged-a", ScriptedInstance.answering((r, n) -> counting(r)), Map.of());
    rig.start("size_metric=tokens", "threshold=6000");
    String longBody =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
            + "x".repeat(30_000)
            + "\"}]}";
    assertThat(rig.send(Rig.post(Rig.CHAT, "", longBody)).field("x-infini-size")).isEqualTo("7513");
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          Said said = rig.send(Rig.post(Rig.CHAT, "", longBody));
          assertThat(Integer.parseInt(said.field("x-infini-size"))).isBetween(5600, 5770);
        });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/v1/messages | {\"model\":\"m\",\"messages\":[]} | true | \"type\":\"error\"",
        "/v1/responses | {\"model\":\"m\",\"input\":\"x\"} | false | bad_gateway",
        "/v1/responses | {\"model\":\"m\",\"input\":\"x\",\"store\":false} | true | bad_gateway",
        "/v1/embeddings | {\"model\":\"m\",\"input\":\"x\"} | true | bad_gateway",
        "/v1/images/generations | {\"model\":\"m\",\"prompt\":\"x\"} | false | bad_gateway",
      })
  void aRequestWithoutAnAnswerIsRepeatedWhereItsRouteAllows(
      String path, String body, boolean repeated, String said) throws Exception {
    for (String name : List.of("a", "b")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            t.reset();
          });
    }
    rig.start();
    Said answer = rig.send(Rig.post(path, "", body));
    assertThat(answer.status()).isEqualTo(502);
    assertThat(answer.body()).contains(said);
    assertThat(rig.instances.stream().mapToInt(i -> i.seen.size()).sum() > 1).isEqualTo(repeated);
    assertThat(rig.instances)
        .flatExtracting(i -> i.seen)
        .allMatch(r -> r.toString().endsWith(body));
  }

  @Test
  void aModelWithTwoCapacitiesIsListedWithTheLarger() throws Exception {
    for (int tokens : List.of(4096, 16384, 8192)) {
      instance(
          "of-" + tokens,
          ScriptedInstance.answering((r, n) -> Rig.OK),
          Map.of("models_list", List.of(Map.of("id", "m", "meta", Map.of("n_ctx", tokens)))));
    }
    rig.start();
    assertThat(rig.get("/v1/models").path("data").findValuesAsText("n_ctx"))
        .containsExactly("16384");
    assertThat(rig.get("/v1/models/m").path("meta").path("n_ctx").asInt()).isEqualTo(16384);
  }

  /// What llama.cpp's server says of a slot is what a request may hold.
  @Test
  void aPromptThatASlotCannotHoldGoesToALargerOne() throws Exception {
    for (int tokens : List.of(8192, 32768)) {
      instance(
          "of-" + tokens,
          ScriptedInstance.answering((r, n) -> Rig.OK),
          Map.of(
              "models_list",
              List.of(Map.of("id", "m", "meta", Map.of("n_ctx", tokens, "n_ctx_train", 131072)))));
    }
    rig.start();
    for (int k = 0; k < 4; k++) {
      String body = "{\"model\":\"m\",\"prompt\":\"" + "word ".repeat(10_000) + "\"}";
      Said said = rig.send(Rig.post("/v1/completions", "", body));
      assertThat(said.field("x-infini-instance")).isEqualTo("of-32768");
    }
    String hopeless = "{\"model\":\"m\",\"prompt\":\"" + "word ".repeat(100_000) + "\"}";
    Said refused = rig.send(Rig.post("/v1/completions", "", hopeless));
    assertThat(refused.status()).isEqualTo(400);
    assertThat(refused.body()).contains("context_length_exceeded", "33332", "32768");
  }
}
