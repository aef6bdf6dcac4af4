package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RefusalTest {
  private static final String WORDS =
      "{\"error\":{\"message\":\"maximum context length is 4096 tokens\"}}";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // vLLM, SGLang, llama.cpp, OpenAI and our engine, TGI
        "400 | {\"error\":{\"message\":\"This model's maximum context length is 4096 tokens. However, your request has 5684 input tokens.\",\"type\":\"BadRequestError\",\"param\":\"input_tokens\",\"code\":400}} | true",
        "400 | {\"object\":\"error\",\"message\":\"The input (5684 tokens) is longer than the model's context length (4096 tokens).\",\"code\":400} | true",
        "400 | {\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\",\"type\":\"exceed_context_size_error\",\"n_ctx\":8192}} | true",
        "400 | {\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"...\"}} | true",
        "422 | {\"error\":\"Input validation error: `inputs` must have less than 1024 tokens. Given: 2000\",\"error_type\":\"validation\"} | true",
        "400 | {\"error\":{\"message\":\"temperature must be at least 0\"}} | false",
        "500 | {\"error\":{\"message\":\"maximum context length\"}} | false",
        "200 | maximum context length | false",
      })
  void itIsKnownByTheWordsOfEngines(int status, String body, boolean expected) {
    assertThat(isForLength(status, Map.of(), body.getBytes(UTF_8), body.length()))
        .isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // vLLM, our engine, Ollama, llama.cpp
        "404 | {\"error\":{\"message\":\"The model `Org/M-1` does not exist.\",\"type\":\"NotFoundError\",\"code\":404}} | true",
        "404 | {\"error\":{\"message\":\"no org/m-1 here\",\"code\":\"model_not_found\"}} | true",
        "404 | {\"error\":{\"message\":\"model 'org/m-1' not found\"}} | true",
        "404 | {\"detail\":\"Not Found\"} | false",
        "404 | {\"error\":{\"message\":\"response `resp_1` of org/m-1\"}} | false",
        "400 | {\"error\":{\"message\":\"The model `org/m-1` does not exist.\"}} | false",
      })
  void aModelThatIsNotThereIsKnownByTheWordsOfEngines(int status, String body, boolean expected) {
    Refusal r = Objects.requireNonNull(Refusal.of(head(status, Map.of()), "org/m-1", Route.CHAT));
    r.add(Unpooled.copiedBuffer(body, UTF_8));
    assertThat(r.isForModel()).isEqualTo(expected);
    assertThat(r.isForLength()).isFalse();
    r.release();
  }

  @Test
  void withoutAModelNoneIsMissing() {
    assertThat(Refusal.of(head(404, Map.of()), null, Route.OTHER)).isNull();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // FastAPI, Express, llama.cpp, Go, nginx
        "404 | MESSAGES | {\"detail\":\"Not Found\"} | true",
        "404 | MESSAGES | <!DOCTYPE html><body><pre>Cannot POST /v1/messages</pre> | true",
        "404 | MESSAGES | Cannot POST /v1/messages | true",
        "404 | RESPONSES | {\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}} | true",
        "404 | RESPONSES | 404 page not found | true",
        "404 | MESSAGES | '' | true",
        "405 | MESSAGES | '' | true",
        "405 | IMAGES | {\"detail\":\"Method Not Allowed\"} | true",
        "501 | EMBEDDINGS | {\"error\":{\"message\":\"This server does not support embeddings. Start it with `--embeddings`\"}} | true",
        "501 | EMBEDDINGS | {\"error\":{\"message\":\"dimensions is not supported for this model\"}} | false",
        "405 | EMBEDDINGS | {\"error\":\"no dimensions here\"} | false",
        "501 | CHAT | {\"error\":{\"message\":\"logprobs are not supported\"}} | false",
        "404 | RESPONSES | {\"error\":{\"message\":\"Response with id 'resp_org/m-1' not found.\"}} | false",
        "404 | RESPONSES | {\"error\":{\"message\":\"no answer 'page not found' here\"}} | false",
        "404 | MESSAGES | {\"error\":{\"message\":\"model 'org/m-1' not found\"}} | false",
        "404 | OTHER | {\"detail\":\"Not Found\"} | false",
        "400 | MESSAGES | {\"detail\":\"Not Found\"} | false",
      })
  void aRouteThatIsNotThereIsKnownByTheWordsOfFrameworks(
      int status, Route route, String body, boolean expected) {
    Refusal r = Objects.requireNonNull(Refusal.of(head(status, Map.of()), "org/m-1", route));
    r.add(Unpooled.copiedBuffer(body, UTF_8));
    assertThat(r.isForRoute()).isEqualTo(expected);
    assertThat(r.isForLength()).isFalse();
    r.release();
    assertThat(Refusal.of(head(501, Map.of()), "org/m-1", Route.OTHER)).isNull();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 1000})
  void itIsKnownInPiecesOfAnySize(int piece) {
    assertThat(isForLength(400, Map.of(), WORDS.getBytes(UTF_8), piece)).isTrue();
  }

  @Test
  void itIsKnownInItsContentCoding() throws IOException {
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(zipped)) {
      out.write(WORDS.getBytes(UTF_8));
    }
    Map<String, String> gzip = Map.of("content-encoding", "gzip");
    byte[] whole = zipped.toByteArray();
    assertThat(isForLength(400, gzip, whole, whole.length)).isTrue();
    assertThat(isForLength(400, gzip, Arrays.copyOf(whole, 12), 12)).isFalse();
    assertThat(isForLength(400, Map.of("content-encoding", "x"), whole, 9)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 100_000})
  void longOrEmptyBodiesAreLookedAtInPart(int length) {
    assertThat(isForLength(400, Map.of(), new byte[length], Math.max(1, length))).isFalse();
  }

  @Test
  void aLongAnswerIsNotGathered() {
    Refusal r = Objects.requireNonNull(Refusal.of(head(400, Map.of()), "m", Route.CHAT));
    assertThat(r.add(Unpooled.wrappedBuffer(new byte[2047]))).isFalse();
    assertThat(r.add(Unpooled.wrappedBuffer(new byte[1]))).isTrue();
    r.release();
  }

  private static boolean isForLength(
      int status, Map<String, String> fields, byte[] body, int piece) {
    Refusal r = Refusal.of(head(status, fields), "m", Route.CHAT);
    if (r == null) {
      return false;
    }
    for (int k = 0; k < body.length; k += piece) {
      r.add(Unpooled.copiedBuffer(body, k, Math.min(piece, body.length - k)));
    }
    boolean is = r.isForLength();
    r.release();
    return is;
  }

  private static ResponseHead head(int status, Map<String, String> fields) {
    return new ResponseHead() {
      @Override
      public int status() {
        return status;
      }

      @Override
      public @Nullable String header(String name) {
        return fields.get(name);
      }

      @Override
      public @Nullable String joined(String name) {
        return fields.get(name);
      }
    };
  }
}
