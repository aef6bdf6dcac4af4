package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.infinilm.svc.http.ApiError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the body of a request for embeddings may say.
class EmbeddingAskTest {
  private static EmbeddingAsk read(String body) throws ApiError {
    return EmbeddingAsk.read(body.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aTextOrAListOfThem() throws Exception {
    EmbeddingAsk one =
        read("{\"input\":\"ab\",\"model\":\"m\",\"user\":\"u\",\"what\":1,\"normalize\":true}");
    assertThat(one)
        .isEqualTo(new EmbeddingAsk("m", List.of(new EmbeddingAsk.Input.Text("ab")), null, false));
    EmbeddingAsk two =
        read("{\"input\":[\"ab\",\"c\"],\"dimensions\":12,\"encoding_format\":\"base64\"}");
    assertThat(two.inputs())
        .containsExactly(new EmbeddingAsk.Input.Text("ab"), new EmbeddingAsk.Input.Text("c"));
    assertThat(two.dimensions()).isEqualTo(12);
    assertThat(two.base64()).isTrue();
    assertThat(two.model()).isNull();
  }

  @Test
  void tokenIdsOrAListOfLists() throws Exception {
    assertThat(ids(read("{\"input\":[1,2,3]}"))).isDeepEqualTo(new int[][] {{1, 2, 3}});
    assertThat(ids(read("{\"input\":[[1],[2,3]],\"encoding_format\":\"float\"}")))
        .isDeepEqualTo(new int[][] {{1}, {2, 3}});
  }

  private static int[][] ids(EmbeddingAsk ask) {
    return ask.inputs().stream()
        .map(i -> ((EmbeddingAsk.Input.Tokens) i).ids())
        .toArray(int[][]::new);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{}                               | input: missing (expected: a string, a list",
        "{'input':null}                   | input: null (expected: a string, a list",
        "{'input':{}}                     | input: an object (expected: a string, a list",
        "{'input':7}                      | input: 7 (expected: a string, a list",
        "{'input':[]}                     | input: an empty list (expected: a string, a list",
        "{'input':''}                     | input: an empty string (expected: a text)",
        "{'input':['a','']}               | input[1]: an empty string (expected: a text)",
        "{'input':['a',[1]]}              | input[1]: a list (expected: a string)",
        "{'input':['a',null]}             | input[1]: null (expected: a string)",
        "{'input':[null]}                 | input[0]: null (expected: a string, a token id",
        "{'input':[[1],'a']}              | input[1]: a string (expected: a list of token ids)",
        "{'input':[[1],[]]}               | input[1]: an empty list (expected: a list of token",
        "{'input':[1,2.5]}                | input[1]: 2.5 (expected: a token id)",
        "{'input':[1,'a']}                | input[1]: a string (expected: a token id)",
        "{'input':[[1],[2,true]]}         | input[1][1]: true (expected: a token id)",
        "{'input':[99999999999]}          | input[0]: 99999999999 (expected: a token id)",
        "{'input':'a','normalize':false} | normalize: false (expected: true; vectors have length 1)",
        "{'input':'a','embd_normalize':0} | embd_normalize: 0 (expected: 2; vectors have length 1)",
        "{'input':'a','add_special_tokens':false} | add_special_tokens: false (expected: true)",
        "{'input':'a','truncate_prompt_tokens':8} | truncate_prompt_tokens: 8 (expected: none;",
        "{'input':'a','truncate':'END'}   | truncate: a string (expected: none; a text is read whole)",
        "{'input':'a','pooling':'cls'}    | pooling: a string (expected: mean)",
        "{'input':'a','model':3}          | model: 3 (expected: a string)",
        "{'input':'a','dimensions':0}     | dimensions: 0 (expected: a whole number 1..",
        "{'input':'a','dimensions':'8'}   | dimensions: a string (expected: a whole number 1..",
        "{'input':'a','encoding_format':'int8'} | encoding_format: int8 (expected: float or base64)",
        "{'input':'a','encoding_format':1} | encoding_format: 1 (expected: float or base64)",
      })
  void whatIsWrongIsNamedWithItsPlace(String body, String message) {
    assertThatThrownBy(() -> read(body.replace('\'', '"')))
        .isInstanceOf(ApiError.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void theNumberOfInputsAndTheirLengthsAreBounded() {
    String ones = "1,".repeat(Embedder.MOST_TOKENS) + "1";
    assertThatThrownBy(() -> read("{\"input\":[[1],[" + ones + "]]}"))
        .hasMessageStartingWith("input[1] has 2049 tokens (expected: at most 2048");
    String texts = "\"a\",".repeat(Embedder.MOST_INPUTS) + "\"a\"";
    assertThatThrownBy(() -> read("{\"input\":[" + texts + "]}"))
        .hasMessage("input: a list of 2049 (expected: at most 2048)");
  }
}
