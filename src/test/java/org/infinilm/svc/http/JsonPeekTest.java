package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.BodyPeek.Store;
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
    return peek(json, Look.CHAT);
  }

  private static Peeked peek(byte[] json, Look look) {
    Peeked whole = at(Unpooled.wrappedBuffer(json), look);
    for (int size : new int[] {1, 7}) {
      JsonPeek pieces = new JsonPeek(look, true);
      for (int k = 0; k < json.length; k += size) {
        pieces.feed(json, k, Math.min(json.length, k + size));
      }
      assertThat(pieces.peeked(json.length)).isEqualTo(whole);
      assertThat(at(pieces(json, size), look)).isEqualTo(whole);
    }
    return whole;
  }

  private static Peeked at(ByteBuf body, Look look) {
    return BodyPeek.at(body, null, null, Long.MAX_VALUE, look, true);
  }

  private static Prompt prompt(String json, Look look) {
    return peek(json.getBytes(UTF_8), look).prompt();
  }

  private static long textBytes(Peeked p) {
    return p.prompt().textBytes();
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
      strings = {"{}", "{\"model\":null}", "{\"model\":\"\"}", "{\"a\":{\"model\":\"m\"}}"})
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
        "{\"model\":-30} | model: -30",
        "{\"model\":3.5} | model: a number",
        "{\"model\":true} | model: true",
        "{\"model\":[\"m\"]} | model: an array",
        "{\"model\":{\"id\":\"m\"}} | model: an object",
        "{\"model\":\"a\",\"model\":\"b\"} | model: given twice, \"a\" and \"b\" (expected: once)",
        "{\"model\":\"a\",\"model\":null} | model: given twice, \"a\" and \"\" (expected: once)",
        "{\"model\":null,\"model\":\"a\"} | model: given twice, \"\" and \"a\" (expected: once)",
        "{\"model\":\"\",\"model\":\"a\"} | model: given twice, \"\" and \"a\" (expected: once)",
      })
  void aModelThatCannotBeUsedIsAProblem(String json, String problem) {
    Peeked p = peek(json);
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).startsWith(problem).contains("expected");
  }

  /// Each is a place where an alias would be put: four million took a router's heap.
  @Test
  void aModelIsNamedAFewTimesAtMost() {
    String once = "\"model\":\"m\",";
    assertThat(peek("{" + once.repeat(16) + "\"a\":1}").model()).isEqualTo("m");
    assertThat(peek("{" + once.repeat(17) + "\"a\":1}").modelProblem())
        .isEqualTo("model: given more than 16 times (expected: once)");
    assertThat(peek("{" + once.repeat(16) + "\"a\":1}").model()).as("the next one").isEqualTo("m");
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
    assertThat(peek("\ufeff{}").form()).isEqualTo(Form.OBJECT);
    assertThat(peek(" \ufeff{}").form()).isEqualTo(Form.OTHER);
    assertThat(peek("{").form()).isEqualTo(Form.BROKEN);
  }

  @Test
  void deepNestingIsPassedOverUpToALimitAndNeverOverflows() {
    String deep = "[".repeat(1900) + "]".repeat(1900);
    assertThat(peek("{\"a\":" + deep + ",\"model\":\"m\"}").model()).isEqualTo("m");
    assertThat(peek("{\"messages\":" + deep + ",\"model\":\"m\"}").model()).isEqualTo("m");
    String tooDeep = "[".repeat(200_000);
    Peeked p = at(Unpooled.copiedBuffer("{\"model\":\"m\",\"a\":" + tooDeep, UTF_8), Look.CHAT);
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
        "{\"max_output_tokens\":9} | 9",
        "{\"max_tokens\":7,\"max_completion_tokens\":8} | 8",
        "{\"max_completion_tokens\":8,\"max_tokens\":7} | 8",
        "{\"max_tokens\":8,\"max_tokens\":null} | 8",
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
    assertThat(textBytes(peek(json))).isEqualTo(bytes);
  }

  @Test
  void aLoneSurrogateDoesNotLoseTheModel() {
    Peeked p = peek("{\"messages\":[{\"content\":\"a\\ud800b\"}],\"model\":\"m\"}");
    assertThat(p.model()).isEqualTo("m");
    assertThat(textBytes(p)).isBetween(4L, 5L);
  }

  @Test
  void textIsMeasuredOnlyWhenAskedForAndTheBufferStaysAsItWas() {
    ByteBuf b = Unpooled.copiedBuffer("xx{\"prompt\":\"abc\",\"model\":\"m\"}", UTF_8).skipBytes(2);
    Peeked p = at(b, Look.NOTHING);
    assertThat(p.prompt()).isNull();
    assertThat(p.model()).isEqualTo("m");
    assertThat(b.readerIndex()).isEqualTo(2);
    assertThat(b.refCnt()).isEqualTo(1);
  }

  @Test
  void longTextsAndNumbersAreNoProblem() {
    String text = "z".repeat(3_000_000);
    Peeked p =
        at(
            Unpooled.copiedBuffer(
                "{\"messages\":[{\"content\":\"" + text + "\"}],\"model\":\"m\"}", UTF_8),
            Look.CHAT);
    assertThat(textBytes(p)).isEqualTo(3_000_000);
    assertThat(p.model()).isEqualTo("m");
  }

  @Test
  void aNameLongerThanAnyModelsIsAProblem() {
    Peeked p = peek("{\"model\":\"" + "m".repeat(JsonString.MOST_KEPT_BYTES + 1) + "\"}");
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).startsWith("model: longer than 65536 bytes");
    String longest = "m".repeat(JsonString.MOST_KEPT_BYTES);
    assertThat(peek("{\"model\":\"" + longest + "\"}").model()).isEqualTo(longest);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"model\":\"\\ud83d\\ude00\"} | 😀",
        "{\"model\":\"\\ud83dx\"} | \ufffdx",
        "{\"model\":\"\\ud83d\\ud83d\\ude00\"} | \ufffd😀",
        "{\"model\":\"x\\ude00\"} | x\ufffd",
        "{\"model\":\"a\\/b\\u00e4日\"} | a/bä日",
      })
  void aModelIsReadWithItsEscapes(String json, String model) {
    assertThat(peek(json).model()).isEqualTo(model);
  }

  @ParameterizedTest
  @CsvSource({
    "c0af, false",
    "e080af, false",
    "eda080, false",
    "f0808080, false",
    "f4908080, false",
    "f5808080, false",
    "80, false",
    "c3, false",
    "e697, false",
    "c3a4, true",
    "e697a5, true",
    "ed9fbf, true",
    "ee8080, true",
    "f09f9880, true",
    "f48fbfbf, true",
  })
  void textIsUtf8AsRfc3629HasIt(String hex, boolean good) {
    byte[] text = HexFormat.of().parseHex(hex);
    byte[] json = "{\"prompt\":\"".getBytes(UTF_8);
    byte[] all = Arrays.copyOf(json, json.length + text.length + 2);
    System.arraycopy(text, 0, all, json.length, text.length);
    all[all.length - 2] = '"';
    all[all.length - 1] = '}';
    Peeked p = peek(all);
    assertThat(p.form()).isEqualTo(good ? Form.OBJECT : Form.BROKEN);
    if (good) {
      assertThat(textBytes(p)).isEqualTo(text.length);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"store\":true} | YES",
        "{\"store\":false} | NO",
        "{\"store\":null} | UNSAID",
        "{\"store\":\"false\"} | UNSAID",
        "{} | UNSAID",
        "{\"store\":false,\"conversation\":\"c\"} | YES",
        "{\"store\":false,\"conversation\":{\"id\":\"c\"}} | YES",
        "{\"store\":false,\"conversation\":null} | NO",
      })
  void whetherAnAnswerIsToBeKept(String json, Store store) {
    assertThat(peek(json).store()).isEqualTo(store);
  }

  /// Bytes of letters, digits, marks and of characters beyond ASCII, tools and arguments included.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "CHAT | {\"messages\":[{\"role\":\"user\",\"content\":\"ab 12, ä日\"}]} | 4 | 2 | 1 | 5",
        "CHAT | {\"messages\":[{\"content\":\"a\\nb\\u0031\\u00e4\\\"\"}]} | 3 | 1 | 1 | 2",
        "CHAT | {\"prompt\":\"x=1\",\"suffix\":\"yy\"} | 3 | 1 | 1 | 0",
        "CHAT | {\"prompt\":\"p\",\"tools\":[{\"ab\":\"c\"}]} | 4 | 0 | 8 | 0",
        "CHAT | {\"messages\":[{\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]}]} | 2 | 1 | 8 | 0",
        "CHAT | {\"messages\":[{\"content\":\"a\"}],\"messages\":[{\"content\":\"bcd\"}]} | 3 | 0 | 0 | 0",
        "CHAT | {\"system\":\"not here\",\"messages\":[{\"content\":\"a\"}]} | 1 | 0 | 0 | 0",
        "MESSAGES | {\"system\":\"ab\",\"messages\":[{\"content\":\"c\"}]} | 3 | 0 | 0 | 0",
        "MESSAGES | {\"system\":[{\"type\":\"text\",\"text\":\"ab\"}],\"messages\":[{\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"cd\"}]}]}]} | 4 | 0 | 0 | 0",
        "RESPONSES | {\"instructions\":\"ab\",\"input\":\"cde\"} | 5 | 0 | 0 | 0",
        "RESPONSES | {\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"ab\"}]},{\"type\":\"function_call_output\",\"output\":\"cd\"}]} | 4 | 0 | 0 | 0",
        "RESPONSES | {\"messages\":[{\"content\":\"not here\"}],\"input\":\"a\"} | 1 | 0 | 0 | 0",
      })
  void theTextOfAPromptIsCountedByKind(
      Look look, String json, long letters, long digits, long marks, long multiByte) {
    Prompt p = prompt(json, look);
    assertThat(new long[] {p.letters(), p.digits(), p.marks(), p.multiByte()})
        .containsExactly(letters, digits, marks, multiByte);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"prompt\":\"a\"} | 1 | 0",
        "{\"prompt\":[\"a\"]} | 1 | 0",
        "{\"prompt\":[\"a\",\"b\"]} | 2 | 0",
        "{\"prompt\":[1,22,3]} | 1 | 3",
        "{\"prompt\":[[1,2]]} | 1 | 2",
        "{\"prompt\":[[1,2],[3]]} | 2 | 3",
        "{\"prompt\":[]} | 0 | 0",
        "{\"prompt\":{\"text\":\"a\"}} | 0 | 0",
        "{} | 0 | 0",
        "{\"messages\":[]} | 1 | 0",
      })
  void promptsAndTokenIdsAreCounted(String json, int prompts, long ids) {
    Prompt p = prompt(json, Look.CHAT);
    assertThat(p.prompts()).isEqualTo(prompts);
    assertThat(p.tokenIds()).isEqualTo(ids);
  }

  /// What is not text is not counted, and the prompt is then known not to be whole.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "CHAT | {\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},{\"type\":\"text\",\"text\":\"ab\"}]}]} | 2",
        "CHAT | {\"messages\":[{\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}]}]} | 0",
        "CHAT | {\"messages\":[{\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"AAAA\"}}]}]} | 0",
        "CHAT | {\"messages\":[{\"content\":\"data:image\\/png;base64,AAAA\"}]} | 0",
        "CHAT | {\"messages\":[{\"content\":\"d\\u0061ta:text/plain,AAAA\"}]} | 0",
        "CHAT | {\"messages\":[{\"reasoning_content\":\"abc\",\"content\":\"a\"}]} | 1",
        "CHAT | {\"prompt\":\"data:image/png;base64,AAAA\"} | 0",
        "CHAT | {\"documents\":[{\"text\":\"abc\"}],\"prompt\":\"a\"} | 1",
        "MESSAGES | {\"messages\":[{\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AAAA\"}}]}]} | 0",
        "RESPONSES | {\"previous_response_id\":\"r\",\"input\":\"a\"} | 1",
        "RESPONSES | {\"conversation\":\"c\",\"input\":\"a\"} | 1",
        "RESPONSES | {\"prompt\":{\"id\":\"p\"},\"input\":\"a\"} | 1",
        "RESPONSES | {\"input\":[{\"content\":[{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"}]}]} | 0",
      })
  void whatIsNoTextIsLeftOut(Look look, String json, long bytes) {
    Prompt p = prompt(json, look);
    assertThat(p.bytes()).isEqualTo(bytes);
    assertThat(p.textBytes()).isEqualTo(bytes);
    assertThat(p.whole()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"messages\":[{\"content\":\"data: 1, 2/3\"}]}",
        "{\"messages\":[{\"content\":\"data:\"}]}",
        "{\"messages\":[{\"content\":\"data:/\"}]}",
        "{\"messages\":[{\"content\":\"database/x\"}]}",
        "{\"messages\":[{\"content\":\"dätä:a/b\"}]}",
        "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"x\",\"name\":null}]}",
      })
  void textIsWholeWhateverItLooksLike(String json) {
    Prompt p = prompt(json, Look.CHAT);
    assertThat(p.whole()).isTrue();
    assertThat(p.textBytes()).isPositive().isEqualTo(p.bytes());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "CHAT | {\"truncate_prompt_tokens\":100,\"prompt\":\"a\"} | true",
        "CHAT | {\"truncate_prompt_tokens\":null,\"prompt\":\"a\"} | false",
        "RESPONSES | {\"truncation\":\"auto\",\"input\":\"a\"} | true",
        "RESPONSES | {\"truncation\":\"disabled\",\"input\":\"a\"} | false",
      })
  void anInstanceMayBeAllowedToCutThePrompt(Look look, String json, boolean cut) {
    assertThat(prompt(json, look).cut()).isEqualTo(cut);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":+1}",
        "{\"a\":1x}",
        "{\"a\":truE}",
        "{\"a\":'b'}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":/**/1}",
      })
  void whatIsNoJsonIsBroken(String json) {
    Peeked p = peek(json);
    assertThat(p.form()).isEqualTo(Form.BROKEN);
    assertThat(p.problem()).contains("byte");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"0", "-0", "10", "1.5", "0.5e7", "1E-2", "1e+10", "-12.5E0", "true", "[ ]", "{ }"})
  void whatIsJsonIsRead(String value) {
    assertThat(peek("{\"a\": " + value + " ,\"b\":[" + value + "," + value + "]}").form())
        .isEqualTo(Form.OBJECT);
  }

  /// Readers serve one document after the other: whatever one was, the next finds none of it.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[1]",
        "{\"model\":\"m\",\"stream\":true,\"max_tokens\":7,\"store\":true,\"conversation\":1}",
        "{\"model\":1,\"user\":\"u\",\"session_id\":\"s\",\"prompt_cache_key\":\"k\"}",
        "{\"model\":\"m\",\"model\":\"n\",\"truncation\":\"auto\",\"truncate_prompt_tokens\":5}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a1;\"},{\"role\":\"user\",\"content\":\"b\"}",
        "{\"messages\":[{\"odd\":1}],\"system\":\"s\",\"tools\":[{\"a\":\"b\"}],\"documents\":[1]}",
        "{\"prompt\":[\"a\",[1,2]],\"suffix\":\"x\",\"a\":-12.5e",
        "{\"prompt\":\"\\ud83d",
        "{\"prompt\":\"data:image/png;base64,A",
        "{\"a\":tru",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[",
        "{\"model\":\"caf\\u00e9\"",
        "{\"\\q"
      })
  void aReaderThatWasUsedIsAsGoodAsNew(String document) throws IllegalAccessException {
    for (Look look : Look.values()) {
      byte[] first = document.getBytes(UTF_8);
      byte[] next = "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}".getBytes(UTF_8);
      JsonPeek used = new JsonPeek(look, true);
      used.feed(first, 0, first.length);
      used.peeked(first.length);
      used.reset();
      JsonPeek fresh = new JsonPeek(look, true);
      assertThat(state(used)).isEqualTo(state(fresh));
      used.feed(next, 0, next.length);
      fresh.feed(next, 0, next.length);
      assertThat(used.peeked(next.length)).isEqualTo(fresh.peeked(next.length));
    }
  }

  /// All that a reader knows, but for memory that is kept for what comes.
  private static Map<String, Object> state(JsonPeek of) throws IllegalAccessException {
    Map<String, Object> out = new TreeMap<>();
    for (Object o : List.of(of, of.text)) {
      for (Class<?> c = o.getClass(); c != Object.class; c = c.getSuperclass()) {
        for (Field f : c.getDeclaredFields()) {
          f.setAccessible(true);
          Object value = f.get(o);
          boolean group = value != null && value.getClass().getSimpleName().equals("Group");
          if (!Modifier.isStatic(f.getModifiers()) && !(group && f.getName().startsWith("of"))) {
            boolean array = value != null && value.getClass().isArray();
            out.put(
                c.getSimpleName() + "." + f.getName(),
                array || f.getName().equals("text") ? "memory" : String.valueOf(value));
          }
        }
      }
    }
    return out;
  }
}
