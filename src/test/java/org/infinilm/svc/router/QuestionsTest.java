package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What is read of a request: routes, models, sizes and what fits.
class QuestionsTest {
  private static final String CHAT = "/v1/chat/completions";
  private final List<Instance> instances = new ArrayList<>();
  private final Map<String, String> flags = new HashMap<>();
  private @Nullable ClientKey key;
  private final Learner learner = new Learner(Policies.create("cache-type"));

  @AfterEach
  void close() {
    learner.close();
  }

  private void instance(String name, long capacity, String... models) {
    instances.add(
        new Instance(
            name,
            "h",
            1,
            "http://h:1",
            List.of(models),
            name.startsWith("static") ? CacheType.STATIC : CacheType.PAGED,
            capacity,
            1,
            State.ROUTABLE,
            instances.size(),
            Map.of()));
  }

  private Plane plane() throws Exception {
    RoutingTable table = new RoutingTable(new Fleet(1, instances), List.of(), 0);
    RouterConfig config = RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
    Seats seats = new Seats(new Slots(), config.seating().line(), 0, Ticker.SYSTEM);
    return new Plane(
        config,
        new KeyRing(List.of(), Ticker.SYSTEM),
        () -> table,
        new Admission(Policies.create("cache-type"), seats),
        seats,
        null,
        null,
        null,
        null,
        null,
        null,
        learner,
        null,
        null,
        null,
        Ticker.SYSTEM);
  }

  private Question.Result read(String method, String path, Map<String, String> fields, byte[] body)
      throws Exception {
    RequestHead head =
        new RequestHead() {
          @Override
          public String method() {
            return method;
          }

          @Override
          public boolean isHttp10() {
            return false;
          }

          @Override
          public String target() {
            return path;
          }

          @Override
          public @Nullable String header(String name) {
            return fields.get(name.toLowerCase(Locale.ROOT));
          }

          @Override
          public @Nullable String joined(String name) {
            return fields.get(name);
          }
        };
    ByteBuf b = Unpooled.wrappedBuffer(body);
    Inbound in =
        (Inbound)
            Proxy.newProxyInstance(
                Inbound.class.getClassLoader(),
                new Class<?>[] {Inbound.class},
                (self, called, arguments) ->
                    switch (called.getName()) {
                      case "head" -> head;
                      case "body" -> b;
                      default -> throw new UnsupportedOperationException(called.getName());
                    });
    return Questions.read(plane(), in, key);
  }

  private Question.Result post(String path, String body) throws Exception {
    return read("POST", path, Map.of(), body.getBytes(UTF_8));
  }

  private Question asked(String path, String body) throws Exception {
    return ((Question.Asked) post(path, body)).question();
  }

  private static ApiError wrong(Question.Result r) {
    return ((Question.Wrong) r).error();
  }

  private Choice choice(Question q) throws Exception {
    Plane plane = plane();
    return plane
        .admission()
        .choose(
            q.ask(),
            q.candidates(plane.table().get().fleet()),
            plane.seats(),
            false,
            new java.util.SplittableRandom(1));
  }

  /// The table of docs/router.md: path, body, whether a POST may be repeated, whether what does not
  /// fit is refused, in whose form errors are.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/v1/chat/completions | JSON | yes | yes | OPENAI",
        "/chat/completions | JSON | yes | yes | OPENAI",
        "/v1/completions | JSON | yes | yes | OPENAI",
        "/completions | JSON | yes | yes | OPENAI",
        "/v1/responses | JSON | no | yes | RESPONSES",
        "/v1/messages | JSON | yes | yes | ANTHROPIC",
        "/v1/messages/count_tokens | JSON | yes | no | ANTHROPIC",
        "/v1/embeddings | JSON | yes | no | OPENAI",
        "/embeddings | JSON | yes | no | OPENAI",
        "/v1/rerank | JSON | yes | no | OPENAI",
        "/v2/rerank | JSON | yes | no | OPENAI",
        "/rerank | JSON | yes | no | OPENAI",
        "/v1/score | JSON | yes | no | OPENAI",
        "/score | JSON | yes | no | OPENAI",
        "/v1/classify | JSON | yes | no | OPENAI",
        "/classify | JSON | yes | no | OPENAI",
        "/v1/pooling | JSON | yes | no | OPENAI",
        "/pooling | JSON | yes | no | OPENAI",
        "/v1/tokenize | JSON | yes | no | OPENAI",
        "/tokenize | JSON | yes | no | OPENAI",
        "/v1/detokenize | JSON | yes | no | OPENAI",
        "/detokenize | JSON | yes | no | OPENAI",
        "/v1/audio/transcriptions | MULTIPART | yes | no | OPENAI",
        "/audio/transcriptions | MULTIPART | yes | no | OPENAI",
        "/v1/audio/translations | MULTIPART | yes | no | OPENAI",
        "/audio/translations | MULTIPART | yes | no | OPENAI",
        "/v1/audio/speech | JSON | yes | no | OPENAI",
        "/audio/speech | JSON | yes | no | OPENAI",
        "/v1/images/generations | JSON | no | no | OPENAI",
        "/images/generations | JSON | no | no | OPENAI",
        "/v1/images/edits | MULTIPART | no | no | OPENAI",
        "/images/edits | MULTIPART | no | no | OPENAI",
        "/v1/load_lora_adapter | ANY | no | no | OPENAI",
        "/v1/chat/completions/ | ANY | no | no | OPENAI",
      })
  void everyRouteIsReadByItsRow(
      String path, Route.Body body, String repeated, String guarded, ErrorShape errors)
      throws Exception {
    instance("paged-a", 100, "a");
    instance("paged-b", 100, "b");
    String text = "\"" + "word ".repeat(2000) + "\"";
    String json =
        "{\"model\":\"a\",\"stream\":true,\"prompt\":%s,\"messages\":[{\"role\":\"user\",\"content\":%s}],\"input\":%s,\"query\":%s,\"max_tokens\":99}"
            .formatted(text, text, text, text);
    String form =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
            + "x".repeat(200_000)
            + "\r\n--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\na\r\n--x--\r\n";
    Map<String, String> multipart = Map.of("content-type", "multipart/form-data; boundary=x");
    Question q = asked(path, json);
    assertThat(q.model()).isEqualTo("a");
    assertThat(q.streamForm()).isEqualTo(Route.of(path).stream());
    assertThat(q.shape()).isEqualTo(errors);
    assertThat(q.generation()).isEqualTo(repeated.equals("yes"));
    assertThat(q.replayable()).isEqualTo(repeated.equals("yes"));
    assertThat(choice(q) instanceof Choice.Refuse).isEqualTo(guarded.equals("yes"));
    Question.Result r = read("POST", path, multipart, form.getBytes(UTF_8));
    if (body == Route.Body.JSON) {
      assertThat(wrong(r).code()).isEqualTo("invalid_json");
      assertThat(((Question.Wrong) r).shape()).isEqualTo(errors);
    } else {
      assertThat(((Question.Asked) r).question().model()).isEqualTo("a");
      assertThat(((Question.Asked) r).question().leastTokens()).isZero();
    }
    Question.Result none = post(path, "{}");
    assertThat(wrong(none).code()).isEqualTo("model_required");
    assertThat(wrong(none).message()).contains("a, b");
    Question.Result twice = post(path, "{\"model\":7}");
    assertThat(wrong(twice).code()).isEqualTo("invalid_model");
    assertThat(Route.of(path).body()).isEqualTo(body);
  }

  @ParameterizedTest
  @EnumSource(Route.class)
  void everyPathOfATableRowIsThatRow(Route route) {
    assertThat(route.paths().isEmpty()).isEqualTo(route == Route.OTHER);
    assertThat(route.paths()).allMatch(p -> Route.of(p) == route);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/v1/responses | {} | false",
        "/v1/responses | {\"store\":true} | false",
        "/v1/responses | {\"store\":false} | true",
        "/v1/responses | {\"store\":false,\"conversation\":\"c\"} | false",
        "/v1/chat/completions | {\"store\":false} | true",
        "/v1/chat/completions | {\"store\":true} | false",
        "/v1/completions | {} | true",
      })
  void whatIsKeptIsNotRepeated(String path, String body, boolean repeated) throws Exception {
    instance("paged-a", -1, "a");
    assertThat(asked(path, body).generation()).isEqualTo(repeated);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{}", "{\"model\":null}", "{\"model\":\"\"}"})
  void absentNullAndEmptyModelsFollowOneRule(String body) throws Exception {
    assertThat(asked(CHAT, body).model()).isNull();
    instance("paged-a", -1, "a");
    assertThat(asked(CHAT, body).model()).isEqualTo("a");
    instance("paged-b", -1, "b");
    ApiError e = wrong(post(CHAT, body));
    assertThat(e.status()).isEqualTo(400);
    assertThat(e.code()).isEqualTo("model_required");
    assertThat(e.message()).isEqualTo("model: missing (expected: one of a, b)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | 400 | invalid_json",
        "[] | 400 | invalid_json",
        "{\"messages\":[ | 400 | invalid_json",
        "{\"model\":7} | 400 | invalid_model",
        "{\"model\":[\"a\"]} | 400 | invalid_model",
        "{\"model\":\"a\",\"model\":\"b\"} | 400 | invalid_model",
        "{\"model\":\"c\"} | 404 | model_not_found",
      })
  void aBodyThatCannotBeRoutedIsSaidWhy(String body, int status, String code) throws Exception {
    instance("paged-a", -1, "a");
    ApiError e = wrong(post(CHAT, body));
    assertThat(e.status()).isEqualTo(status);
    assertThat(e.code()).isEqualTo(code);
  }

  @Test
  void aModelThatWasFoundIsEnoughWhateverFollows() throws Exception {
    instance("paged-a", -1, "a");
    instance("paged-b", -1, "b");
    assertThat(asked(CHAT, "{\"model\":\"b\",\"messages\":[nonsense").model()).isEqualTo("b");
    assertThat(asked(CHAT, "\ufeff{\"model\":\"b\"}").model()).isEqualTo("b");
  }

  @Test
  void codingsAreUndoneToLookInsideAndCounted() throws Exception {
    instance("paged-a", -1, "a");
    instance("paged-b", -1, "b");
    byte[] plain =
        ("{\"model\":\"b\",\"prompt\":\"" + "word ".repeat(3000) + "\"}").getBytes(UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream zip = new GZIPOutputStream(out)) {
      zip.write(plain);
    }
    Question q =
        ((Question.Asked) read("POST", CHAT, Map.of("content-encoding", "gzip"), out.toByteArray()))
            .question();
    assertThat(q.model()).isEqualTo("b");
    assertThat(q.size()).isEqualTo(plain.length);
    assertThat(q.bodyBytes()).isEqualTo(out.size());
    ApiError unknown =
        wrong(read("POST", CHAT, Map.of("content-encoding", "lz4"), out.toByteArray()));
    assertThat(unknown.status()).isEqualTo(415);
    assertThat(unknown.code()).isEqualTo("unsupported_content_encoding");
    assertThat(unknown.message()).contains("lz4").contains("gzip, deflate, br, zstd");
    ApiError bad = wrong(read("POST", CHAT, Map.of("content-encoding", "zstd"), out.toByteArray()));
    assertThat(bad.status()).isEqualTo(400);
    assertThat(bad.code()).isEqualTo("invalid_content_encoding");
    flags.put("max_body_bytes", "1000");
    ApiError large =
        wrong(read("POST", CHAT, Map.of("content-encoding", "gzip"), out.toByteArray()));
    assertThat(large.status()).isEqualTo(413);
    assertThat(large.code()).isEqualTo("request_too_large");
    assertThat(read("POST", "/v1/files", Map.of("content-encoding", "lz4"), out.toByteArray()))
        .isInstanceOf(Question.Asked.class);
  }

  @Test
  void onAnUnknownPathToAModelThatIsNoneIsNotCalledMissing() throws Exception {
    instance("paged-a", -1, "a");
    instance("paged-b", -1, "b");
    for (String body : List.of("{\"model\":5}", "{\"model\":\"a\",\"model\":\"b\"}")) {
      ApiError e = wrong(post("/v1/foo", body));
      assertThat(e.code()).isEqualTo("invalid_model");
      assertThat(e.message()).startsWith("model: ").doesNotContain("missing");
    }
    assertThat(wrong(post("/v1/foo", "{}")).code()).isEqualTo("model_required");
  }

  /// Requests whose bytes are no prompt, each of which was refused once as too long.
  static List<String[]> bytesThatAreNoPrompt() {
    String texts = "\"" + "x".repeat(400) + "\",";
    String image = "data:image/png;base64," + "A".repeat(225_000);
    return List.of(
        new String[] {
          "/v1/embeddings", "{\"model\":\"a\",\"input\":[" + texts.repeat(300) + "\"\"]}"
        },
        new String[] {
          "/v1/rerank",
          "{\"model\":\"a\",\"query\":\"q\",\"documents\":[" + texts.repeat(300) + "\"\"]}"
        },
        new String[] {
          CHAT,
          "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\""
              + image
              + "\"}}]}]}"
        },
        new String[] {
          CHAT,
          "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""
              + "A".repeat(300_000)
              + "\"}}]}]}"
        },
        new String[] {
          "/v1/messages",
          "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\""
              + "A".repeat(300_000)
              + "\"}}]}]}"
        },
        new String[] {
          "/v1/completions", "{\"model\":\"a\",\"prompt\":[" + texts.repeat(300) + "\"\"]}"
        },
        new String[] {
          CHAT,
          "{\"model\":\"a\",\"truncate_prompt_tokens\":8000,\"prompt\":\""
              + "x".repeat(300_000)
              + "\"}"
        },
        new String[] {
          "/v1/responses",
          "{\"model\":\"a\",\"truncation\":\"auto\",\"input\":\"" + "x".repeat(300_000) + "\"}"
        });
  }

  @ParameterizedTest
  @MethodSource("bytesThatAreNoPrompt")
  void whatIsNoPromptFitsAnywhere(String path, String body) throws Exception {
    instance("paged-a", 8192, "a");
    Question q = asked(path, body);
    assertThat(q.leastTokens()).isLessThan(100);
    assertThat(choice(q)).isInstanceOf(Choice.Send.class);
  }

  @ParameterizedTest
  @CsvSource({
    "/v1/chat/completions, messages",
    "/v1/chat/completions, prompt",
    "/v1/completions, prompt",
    "/v1/messages, messages",
    "/v1/responses, input",
  })
  void aTextThatFitsNowhereIsRefused(String path, String key) throws Exception {
    instance("paged-a", 8192, "a");
    String text = "xy".repeat(60_000);
    String value =
        key.equals("messages")
            ? "[{\"role\":\"user\",\"content\":\"" + text + "\"}]"
            : "\"" + text + "\"";
    Question q = asked(path, "{\"model\":\"a\",\"" + key + "\":" + value + "}");
    assertThat(q.leastTokens()).as("10,000 less what is around it").isBetween(9_950L, 10_000L);
    assertThat(choice(q)).isEqualTo(new Choice.Refuse(q.leastTokens(), 8192));
  }

  /// B34: they were refused with "needs at least 2571 tokens", and are 1,010 and 310.
  @ParameterizedTest
  @MethodSource("textsOfFewTokens")
  void aTextOfWhichATokenStandsForManyBytesIsNotRefused(String text) throws Exception {
    instance("paged-a", 2000, "a");
    String body = "{\"model\":\"a\",\"messages\":[{\"content\":\"" + text + "\"}]}";
    assertThat(text.length()).isGreaterThan(24_000);
    assertThat(choice(asked(CHAT, body))).isInstanceOf(Choice.Send.class);
  }

  static List<String> textsOfFewTokens() {
    String nested = (" ".repeat(28) + "\\\"key\\\": {\\n").repeat(720);
    return List.of(
        nested,
        "-".repeat(24_490),
        "=-".repeat(13_000),
        "x".repeat(30_000),
        ("name" + " ".repeat(40)).repeat(600),
        "\u2500".repeat(30_000));
  }

  @Test
  void tokenIdsAreCountedAsTheyAre() throws Exception {
    instance("paged-a", 3, "a");
    Question fits = asked("/v1/completions", "{\"model\":\"a\",\"prompt\":[11111111,22222222,3]}");
    assertThat(fits.leastTokens()).isEqualTo(3);
    assertThat(choice(fits)).isInstanceOf(Choice.Send.class);
    Question not = asked("/v1/completions", "{\"model\":\"a\",\"prompt\":[1,2,3,4]}");
    assertThat(choice(not)).isEqualTo(new Choice.Refuse(4, 3));
  }

  /// A limit that no instance could reach leads to the largest instances, shared among them, and is
  /// never refused: it is an upper bound, which llama.cpp takes as one.
  @Test
  void aHighLimitOfTheAnswerMovesARequestAndRefusesNone() throws Exception {
    String body = "{\"model\":\"a\",\"max_tokens\":%d,\"messages\":[{\"content\":\"hello\"}]}";
    instance("paged-a", 8192, "a");
    instance("paged-b", 8192, "a");
    Question all = asked(CHAT, body.formatted(32_000));
    assertThat(all.needTokens()).isEqualTo(8192);
    assertThat(all.leastTokens()).isZero();
    instance("static-a", 32_768, "a");
    assertThat(((Choice.Send) choice(asked(CHAT, body.formatted(32_000)))).instance().name())
        .isEqualTo("static-a");
    assertThat(((Choice.Send) choice(asked(CHAT, body.formatted(100)))).instance().name())
        .startsWith("paged");
    instance("paged-c", -1, "a");
    assertThat(asked(CHAT, body.formatted(1_000_000)).needTokens()).isGreaterThan(1_000_000);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "body | /v1/chat/completions | {\"model\":\"a\",\"messages\":[{\"content\":\"abcdefgh\"}]} | 49",
        "text | /v1/chat/completions | {\"model\":\"a\",\"messages\":[{\"content\":\"abcdefgh\"}]} | 8",
        "text | /v1/messages | {\"model\":\"a\",\"system\":\"ab\",\"messages\":[{\"content\":\"cd\"}]} | 4",
        "text | /v1/responses | {\"model\":\"a\",\"instructions\":\"ab\",\"input\":\"cd\"} | 4",
        "text | /v1/embeddings | {\"model\":\"a\",\"input\":\"abcdefgh\"} | 0",
        "tokens | /v1/chat/completions | {\"model\":\"a\",\"messages\":[{\"content\":\"abcdefgh\"}]} | 15",
        "tokens | /v1/completions | {\"model\":\"a\",\"prompt\":[1,2,3]} | 3",
        "tokens | /v1/embeddings | {\"model\":\"a\",\"input\":\"abcdefghijk\"} | 8",
      })
  void theSizeIsWhatTheMetricSays(String metric, String path, String body, long size)
      throws Exception {
    flags.put("size_metric", metric.toLowerCase(Locale.ROOT));
    instance("paged-a", -1, "a");
    assertThat(asked(path, body).size()).isEqualTo(size);
  }

  @Test
  void affinityComesFromTheKeyOfEveryRoute() throws Exception {
    instance("paged-a", -1, "a");
    long key = asked(CHAT, "{\"prompt_cache_key\":\"k\"}").affinity();
    assertThat(key).isNotZero();
    for (String path : List.of("/v1/messages", "/v1/responses", "/v1/completions")) {
      assertThat(asked(path, "{\"prompt_cache_key\":\"k\"}").affinity()).isEqualTo(key);
    }
    assertThat(asked("/v1/messages", "{\"metadata\":{\"user_id\":\"k\"}}").affinity()).isZero();
  }

  @Test
  void aConfiguredHeaderKeepsRequestsTogetherWhereThereIsNoKey() throws Exception {
    instance("paged-a", -1, "a");
    Map<String, String> one = Map.of("x-session", "s");
    assertThat(affinity(one, "{}")).as("no such setting").isZero();
    flags.put("session_header", "X-Session");
    assertThat(affinity(one, "{}")).isNotZero().isEqualTo(affinity(one, "{\"messages\":[]}"));
    assertThat(affinity(Map.of("x-session", "t"), "{}")).isNotIn(0L, affinity(one, "{}"));
    assertThat(affinity(Map.of("x-session", ""), "{}")).isZero();
    assertThat(affinity(Map.of(), "{}")).isZero();
    long key = asked(CHAT, "{\"prompt_cache_key\":\"k\"}").affinity();
    assertThat(affinity(one, "{\"prompt_cache_key\":\"k\"}")).as("a key wins").isEqualTo(key);
  }

  private long affinity(Map<String, String> fields, String body) throws Exception {
    return ((Question.Asked) read("POST", CHAT, fields, body.getBytes(UTF_8)))
        .question()
        .affinity();
  }

  @Test
  void otherMethodsAreNotLookedInto() throws Exception {
    instance("paged-a", -1, "a");
    instance("paged-b", -1, "b");
    for (String method : List.of("GET", "HEAD", "OPTIONS", "PUT", "DELETE")) {
      Question q =
          ((Question.Asked) read(method, CHAT, Map.of(), Json.bytes(Map.of("model", 7))))
              .question();
      assertThat(q.model()).isNull();
      assertThat(q.generation()).isFalse();
      assertThat(q.replayable()).isEqualTo(!method.equals("PUT") && !method.equals("DELETE"));
      assertThat(q.size()).isEqualTo(11);
    }
  }

  /// Once a model has settled, a prompt's text is told by kind where the estimate could matter, and
  /// for some of the rest.
  @Test
  void aSettledModelIsReadByKindOnlyWhereItMatters() throws Exception {
    instance("paged-a", 1_000_000, "a");
    String body =
        "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}"
            .formatted("x".repeat(4000));
    long exact = asked(CHAT, body).needTokens();
    assertThat(asked(CHAT, body).prompt()).isNotNull();
    settle(body);
    int told = 0;
    for (int k = 0; k < 1000; k++) {
      Question q = asked(CHAT, body);
      told += q.prompt() == null ? 0 : 1;
      assertThat(q.needTokens()).isBetween(exact, 2 * exact);
      assertThat(choice(q)).isInstanceOf(Choice.Send.class);
    }
    assertThat(told).isBetween(10, 200);
    instances.clear();
    instance("paged-a", exact, "a");
    instance("paged-b", exact - 1, "a");
    for (int k = 0; k < 100; k++) {
      Question q = asked(CHAT, body);
      assertThat(q.needTokens()).isEqualTo(exact);
      assertThat(((Choice.Send) choice(q)).instance().name()).isEqualTo("paged-a");
    }
  }

  private void settle(String body) throws Exception {
    learner.start();
    Prompt prompt = asked(CHAT, body).prompt();
    for (int k = 0; k < Learner.SETTLED; k++) {
      learner.offer(
          new Facts(instances.getFirst(), "a", 1, 1, 2, 3, 0, 1, null, true, false), prompt, null);
    }
    await().atMost(Duration.ofSeconds(20)).until(() -> !learner.wants("a"));
  }

  private static final String FORM = "multipart/form-data; boundary=B";
  private static final String PART =
      "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm1\r\n";

  /// G4: what an engine would read as a model that the key does not open, and the router as another
  /// or none. Route; content type; body, in which `P` stands for the part that names m1 and `~` for
  /// CR LF; what is told where the key opens m1 alone, and where it opens all.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "/v1/audio/transcriptions | F | P--B-- | m1 | m1",
        "/v1/audio/transcriptions | F | P--B~Content-Disposition: attachment; name=model~~m2~--B-- | invalid_model | invalid_model",
        "/v1/audio/translations | F | P--B~Content-Disposition: ;name=model~~m2~--B-- | invalid_model | invalid_model",
        "/v1/images/edits | F | --B~Content-Disposition: x;name=model~~m2~--B-- | invalid_model | invalid_model",
        "/v1/audio/transcriptions | U | model=m1 | m1 | m1",
        "/v1/audio/transcriptions | U | model=m2 | model_not_allowed | m2",
        "/v1/audio/transcriptions | U | model=m1&model=m2 | invalid_model | invalid_model",
        "/v1/audio/transcriptions | U | x=1 | m1 | model_required",
        "/v1/audio/transcriptions | multipart/mixed; boundary=B | P--B-- | model_not_allowed | model_required",
        "/v1/audio/transcriptions | multipart/form-data | P--B-- | model_not_allowed | model_required",
        "/v1/audio/transcriptions | multipart/form-data; boundary*=utf-8''B | P--B-- | model_not_allowed | model_required",
        "/v1/audio/transcriptions | multipart/form-data; boundary=C | P--B-- | model_not_allowed | model_required",
        "/v1/audio/transcriptions | multipart/form-data; boundary=B; charset=utf-7 | P--B-- | invalid_model | invalid_model",
        "/v1/audio/transcriptions | text/plain | model=m2 | model_not_allowed | model_required",
        "/v1/audio/transcriptions?model=m2 | F | P--B-- | invalid_model | m1",
        "/v1/audio/transcriptions?model=m1&x=y | F | P--B-- | m1 | m1",
        "/v1/chat/completions?%6dodel=m2 | J | {\"messages\":[]} | invalid_model | model_required",
        "/v1/chat/completions | text/plain | {\"model\":\"m1\"} | m1 | m1",
        "/v1/chat/completions | text/plain | {\"model\":\"m2\"} | model_not_allowed | m2",
        "/v1/chat/completions | U | {\"model\":\"m1\",\"x\":\"&model=m2\"} | m1 | m1",
        "/v1/chat/completions | U | {\"model\":\"m2\"} | model_not_allowed | m2",
        "/v1/chat/completions | J | {\"model\":\"m1\",\"x\":NaN,\"model\":\"m2\"} | invalid_json | m1",
        "/v1/chat/completions | J | {\"model\":\"m1\",\"Model\":\"m2\"} | invalid_model | invalid_model",
        "/v1/chat/completions | J | {\"MODEL\":\"m2\"} | invalid_model | invalid_model",
        "/v1/other | J | {\"model\":\"m1\",\"model\":\"m2\"} | invalid_model | invalid_model",
        "/v1/other | J | {\"model\":\"m1\",\"x\":NaN,\"model\":\"m2\"} | invalid_json | m1",
        "/v1/other | F | P--B~Content-Disposition: x;name=model~~m2~--B-- | invalid_model | invalid_model",
        "/v1/other | U | model=m2 | model_not_allowed | m2",
        "/v1/other | U | x=1 | model_not_allowed | -",
        "/v1/other | U | {\"model\":\"m1\",\"x\":\"&model=m2\"} | invalid_model | invalid_model",
      })
  void aModelIsReadAsEnginesReadItOrRefused(
      String path, String type, String body, String bound, String free) throws Exception {
    instance("a", 0, "m1", "m2");
    String is =
        switch (type) {
          case "F" -> FORM;
          case "U" -> "application/x-www-form-urlencoded";
          case "J" -> "application/json";
          default -> type;
        };
    byte[] sent = body.replace("P", PART).replace("~", "\r\n").getBytes(UTF_8);
    for (boolean limited : new boolean[] {true, false}) {
      key = limited ? new ClientKey("k", "", Set.of("m1"), Allowance.Limits.NONE, null) : null;
      Question.Result r = read("POST", path, Map.of("content-type", is), sent);
      String said =
          switch (r) {
            case Question.Asked a -> String.valueOf(a.question().model());
            case Question.Wrong w -> String.valueOf(w.error().code());
          };
      assertThat(said)
          .as("limited: " + limited)
          .isEqualTo(limited ? bound : free.replace("-", "null"));
    }
  }
}
