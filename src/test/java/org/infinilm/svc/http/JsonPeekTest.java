package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import org.infinilm.svc.http.JsonPeek.Form;
import org.infinilm.svc.http.JsonPeek.Peeked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonPeekTest {
  /// Peeks at the document whole, and in pieces of 1 and of 7 bytes; all must say the same.
  private static Peeked peek(String json) {
    return peek(json.getBytes(UTF_8));
  }

  private static Peeked peek(byte[] json) {
    Peeked whole = JsonPeek.at(Unpooled.wrappedBuffer(json), true);
    assertThat(JsonPeek.at(pieces(json, 1), true)).isEqualTo(whole);
    assertThat(JsonPeek.at(pieces(json, 7), true)).isEqualTo(whole);
    return whole;
  }

  static ByteBuf pieces(byte[] bytes, int size) {
    CompositeByteBuf all = Unpooled.compositeBuffer(Integer.MAX_VALUE);
    for (int k = 0; k < bytes.length; k += size) {
      all.addComponent(true, Unpooled.copiedBuffer(bytes, k, Math.min(size, bytes.length - k)));
    }
    return all;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"model\":\"m\"}",
        "{\"model\":\"m\",\"a\":{\"model\":\"x\"}}",
        "{\"a\":[{\"model\":\"x\"}],\"b\":\"\\\"model\\\":\\\"y\\\"\",\"model\":\"m\"}",
        " \r\n\t{ \"model\" : \"m\" }",
        "{\"mod\\u0065l\":\"m\"}",
        "{\"model\":\"\\u006d\"}",
        "{\"model\":null,\"model\":\"m\"}",
        "{\"model\":\"m\",\"model\":\"m\"}",
        "{\"model\":\"m\"} and what follows",
      })
  void theModelIsFoundWhereverItStandsAtTheTop(String json) {
    Peeked p = peek(json);
    assertThat(p.form()).isEqualTo(Form.OBJECT);
    assertThat(p.model()).isEqualTo("m");
    assertThat(p.modelProblem()).isNull();
    assertThat(p.problem()).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"{}", "{\"model\":null}", "{\"Model\":\"m\"}", "{\"a\":{\"model\":\"m\"}}"})
  void withoutAModelThereIsNone(String json) {
    assertThat(peek(json).model()).isNull();
    assertThat(peek(json).modelProblem()).isNull();
    assertThat(peek(json).form()).isEqualTo(Form.OBJECT);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"model\":3} | model: 3",
        "{\"model\":true} | model: true",
        "{\"model\":[\"m\"]} | model: an array",
        "{\"model\":{\"id\":\"m\"}} | model: an object",
        "{\"model\":\"a\",\"model\":\"b\"} | model: given twice, \"a\" and \"b\" (expected: once)",
      })
  void aModelThatCannotBeUsedIsAProblem(String json, String problem) {
    Peeked p = peek(json);
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).startsWith(problem).contains("expected");
  }

  @Test
  void whatFollowsAModelOfAWrongTypeIsStillRead() {
    Peeked p = peek("{\"model\":{\"stream\":false},\"stream\":true,\"max_tokens\":5}");
    assertThat(p.stream()).isTrue();
    assertThat(p.maxTokens()).isEqualTo(5);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"model\":\"m\"",
        "{\"model\":\"m\",",
        "{\"model\":\"m\",\"a\":[1,2",
        "{\"model\":\"m\",\"a\":nul}",
        "{\"model\":\"m\",\"a\":NaN}",
        "{\"model\":\"m\",\"a\" 1}",
        "{\"model\":\"m\",,}",
        "{\"model\":\"m\",\"a\":\"tab\there\"}",
      })
  void aDocumentThatBreaksAfterItsModelKeepsIt(String json) {
    Peeked p = peek(json);
    assertThat(p.form()).isEqualTo(Form.BROKEN);
    assertThat(p.model()).isEqualTo("m");
    assertThat(p.problem()).isNotBlank();
  }

  @Test
  void invalidUtf8IsBrokenAndNothingMore() {
    byte[] bytes = "{\"model\":\"m\",\"a\":\"??\"}".getBytes(UTF_8);
    bytes[18] = (byte) 0xff;
    bytes[19] = (byte) 0xfe;
    Peeked p = peek(bytes);
    assertThat(p.form()).isEqualTo(Form.BROKEN);
    assertThat(p.model()).isEqualTo("m");
  }

  @Test
  void theFormIsSeenFromTheFirstByte() {
    assertThat(peek("").form()).isEqualTo(Form.EMPTY);
    assertThat(peek(" \n\t ").form()).isEqualTo(Form.EMPTY);
    assertThat(peek("[]").form()).isEqualTo(Form.OTHER);
    assertThat(peek("--boundary").form()).isEqualTo(Form.OTHER);
    assertThat(peek("\ufeff{}").form()).isEqualTo(Form.OTHER);
    assertThat(peek("{").form()).isEqualTo(Form.BROKEN);
  }

  @Test
  void deepNestingIsPassedOverUpToALimitAndNeverOverflows() {
    String deep = "[".repeat(1900) + "]".repeat(1900);
    assertThat(peek("{\"a\":" + deep + ",\"model\":\"m\"}").model()).isEqualTo("m");
    assertThat(peek("{\"messages\":" + deep + ",\"model\":\"m\"}").model()).isEqualTo("m");
    String tooDeep = "[".repeat(200_000);
    Peeked p = JsonPeek.at(Unpooled.copiedBuffer("{\"model\":\"m\",\"a\":" + tooDeep, UTF_8), true);
    assertThat(p.form()).isEqualTo(Form.BROKEN);
    assertThat(p.model()).isEqualTo("m");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"max_tokens\":7} | 7",
        "{\"max_completion_tokens\":8} | 8",
        "{\"max_tokens\":null} | 0",
        "{\"max_tokens\":\"7\"} | 0",
        "{\"max_tokens\":7.5} | 0",
        "{\"max_tokens\":-3} | 0",
        "{\"max_tokens\":99999999999999999999999999} | 1099511627776",
      })
  void theLimitOfTokensIsReadLeniently(String json, long expected) {
    assertThat(peek(json).maxTokens()).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"stream\":true} | true |",
        "{\"stream\":false} | false |",
        "{\"stream\":\"true\"} | false |",
        "{\"prompt_cache_key\":\"k\"} | false | k",
        "{\"prompt_cache_key\":3} | false |",
        "{\"prompt_cache_key\":\"k\",\"prompt_cache_key\":null} | false |",
      })
  void theOtherKeysAreReadWhenTheirTypeIsRight(String json, boolean stream, String key) {
    assertThat(peek(json).stream()).isEqualTo(stream);
    assertThat(peek(json).promptCacheKey()).isEqualTo(key);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"abc\"}]} | 3",
        "{\"messages\":[{\"content\":\"ä\"},{\"content\":\"日本\"}]} | 8",
        "{\"messages\":[{\"content\":\"\\u00e4\\n\"}]} | 3",
        "{\"messages\":[{\"content\":\"😀\"}]} | 4",
        "{\"messages\":[{\"content\":\"\\ud83d\\ude00\"}]} | 4",
        "{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"ab\"},{\"text\":\"c\",\"content\":\"de\"}]}]} | 5",
        "{\"messages\":[{\"content\":[\"bare\",7,{\"image_url\":{\"text\":\"not counted\"}}]}]} | 0",
        "{\"messages\":[{\"content\":null},{\"content\":4},{}]} | 0",
        "{\"messages\":[\"x\",null,{\"content\":\"ab\"}]} | 2",
        "{\"messages\":[],\"prompt\":\"ignored\"} | 0",
        "{\"messages\":null,\"prompt\":\"abcd\"} | 4",
        "{\"prompt\":\"abcd\",\"messages\":[{\"content\":\"ab\"}]} | 2",
        "{\"prompt\":\"ä\"} | 2",
        "{\"prompt\":[\"ab\",\"日\"]} | 5",
        "{\"prompt\":[1,2,3]} | 0",
        "{\"prompt\":[[1,2],[3]]} | 0",
        "{\"prompt\":null} | 0",
        "{\"input\":\"not counted\"} | 0",
        "{\"messages\":[{\"name\":\"n\",\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{\"content\":\"zz\"}]} | 1",
      })
  void textIsCountedInBytesOfUtf8AfterUnescaping(String json, long bytes) {
    assertThat(peek(json).textBytes()).isEqualTo(bytes);
  }

  @Test
  void aLoneSurrogateDoesNotLoseTheModel() {
    Peeked p = peek("{\"messages\":[{\"content\":\"a\\ud800b\"}],\"model\":\"m\"}");
    assertThat(p.model()).isEqualTo("m");
    assertThat(p.textBytes()).isBetween(4L, 5L);
  }

  @Test
  void textIsMeasuredOnlyWhenAskedForAndTheBufferStaysAsItWas() {
    ByteBuf b = Unpooled.copiedBuffer("xx{\"prompt\":\"abc\",\"model\":\"m\"}", UTF_8).skipBytes(2);
    Peeked p = JsonPeek.at(b, false);
    assertThat(p.textBytes()).isEqualTo(-1);
    assertThat(p.model()).isEqualTo("m");
    assertThat(b.readerIndex()).isEqualTo(2);
    assertThat(b.refCnt()).isEqualTo(1);
  }

  @Test
  void longTextsAndNumbersAreNoProblem() {
    String text = "z".repeat(3_000_000);
    Peeked p =
        JsonPeek.at(
            Unpooled.copiedBuffer(
                "{\"messages\":[{\"content\":\"" + text + "\"}],\"model\":\"m\"}", UTF_8),
            true);
    assertThat(p.textBytes()).isEqualTo(3_000_000);
    assertThat(p.model()).isEqualTo("m");
  }
}
