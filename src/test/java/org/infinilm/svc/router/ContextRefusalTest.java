package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ContextRefusalTest {
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
    assertThat(ContextRefusal.is(status, Unpooled.copiedBuffer(body, UTF_8))).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({"0", "100000"})
  void longOrEmptyBodiesAreLookedAtInPart(int length) {
    assertThat(ContextRefusal.is(400, Unpooled.wrappedBuffer(new byte[length]))).isFalse();
  }
}
