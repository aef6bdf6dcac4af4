package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnswerModelTest {
  private static final String[] KEYS = {null, "message", "response"};

  /// What comes out, piece by piece, with what was held back last.
  private static List<String> pieces(AnswerModel a, String... in) {
    List<String> out = new ArrayList<>();
    for (String s : in) {
      out.add(text(a.pass(Unpooled.copiedBuffer(s, UTF_8))));
    }
    out.add(text(a.rest()));
    return out;
  }

  private static String text(ByteBuf b) {
    String s = b.toString(UTF_8);
    b.release();
    return s;
  }

  private static void check(boolean events, @Nullable String inside, String in, String expected) {
    byte[] all = in.getBytes(UTF_8);
    for (int size = 1; size <= all.length; size++) {
      AnswerModel a = new AnswerModel(events, inside, "gpt-4");
      ByteBuf out = Unpooled.buffer();
      for (int from = 0; from < all.length; from += size) {
        ByteBuf piece =
            Unpooled.directBuffer().writeBytes(all, from, Math.min(size, all.length - from));
        ByteBuf passed = a.pass(piece);
        out.writeBytes(passed);
        passed.release();
      }
      out.writeBytes(a.rest());
      assertThat(out.toString(UTF_8)).as("in pieces of %s", size).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0 | {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"model\":\"m\"}]} | {\"id\":\"x\",\"model\":\"gpt-4\",\"choices\":[{\"model\":\"m\"}]}",
        "0 | {\"mod\\u0065l\" : \"a\\\"b\\u65e5\" , \"x\":1} trailing \"model\":\"m\" | {\"mod\\u0065l\" : \"gpt-4\" , \"x\":1} trailing \"model\":\"m\"",
        "0 | {\"message\":{\"model\":\"m\"},\"model\":\"m\"} | {\"message\":{\"model\":\"m\"},\"model\":\"gpt-4\"}",
        "1 | {\"type\":\"message_start\",\"message\":{\"id\":1,\"model\":\"m\",\"x\":{\"model\":\"m\"}}} | {\"type\":\"message_start\",\"message\":{\"id\":1,\"model\":\"gpt-4\",\"x\":{\"model\":\"m\"}}}",
        "1 | {\"x\":{\"message\":{\"model\":\"m\"}},\"message\":[{\"model\":\"m\"}]} | {\"x\":{\"message\":{\"model\":\"m\"}},\"message\":[{\"model\":\"m\"}]}",
        "2 | {\"response\":{\"model\":\"m\"},\"message\":{\"model\":\"m\"}} | {\"response\":{\"model\":\"gpt-4\"},\"message\":{\"model\":\"m\"}}",
        "0 | {\"model\":null,\"model\":[\"m\"],\"model\":{\"model\":\"m\"}} | {\"model\":null,\"model\":[\"m\"],\"model\":{\"model\":\"m\"}}",
        "0 | {\"model\":\"m\",\"model\":\"\"} | {\"model\":\"gpt-4\",\"model\":\"gpt-4\"}",
        "0 | [{\"model\":\"m\"}] | [{\"model\":\"m\"}]",
        "0 | {\"a\":tru,\"model\":\"m\"} | {\"a\":tru,\"model\":\"m\"}",
        "0 | {\"model\":\"m | {\"model\":\"m",
        "0 | {\"model\":\"m\\q\",\"x\":1} | {\"model\":\"m\\q\",\"x\":1}",
      })
  void onlyTheNamedModelsOfAnObjectChange(int inside, String in, String expected) {
    check(false, KEYS[inside], in, expected);
  }

  @ParameterizedTest
  @CsvSource({"\\n", "\\r\\n", "\\r"})
  void everyEventOfAStreamIsAnObjectOfItsOwnWhateverItsLinesEndWith(String written) {
    String stream =
        """
        : model comment {"model":"m"}
        data: {"model":"m","choices":[{"delta":{"content":"\\n\\ndata: {\\"model\\":\\"m\\"}"}}]}

        event: x
        data:{"id":1,
        data: "model"
        data:  : "m"}
        id: {"model":"m"}

        data: {"model":"m
        data: "}

        data: x {"model":"m"}
        datum: {"model":"m"}
        data
        data:

        data: {"model":"m"}

        data: [DONE]

        data: {"model":"last"}\
        """;
    String expected =
        stream
            .replace("data: {\"model\":\"m\"", "data: {\"model\":\"gpt-4\"")
            .replace("data:  : \"m\"", "data:  : \"gpt-4\"")
            .replace("\"last\"", "\"gpt-4\"");
    String eol = written.translateEscapes();
    check(true, null, stream.replace("\n", eol), expected.replace("\n", eol));
    check(true, null, "\ufeff" + stream.replace("\n", eol), "\ufeff" + expected.replace("\n", eol));
  }

  @Test
  void onlyTheBytesOfAValueAreHeldBack() {
    assertThat(
            pieces(
                new AnswerModel(false, null, "gpt-4"),
                "{\"model\":",
                "\"a",
                "b",
                "c\",\"x\":",
                "1}"))
        .containsExactly("{\"model\":", "", "", "\"gpt-4\",\"x\":", "1}", "");
    assertThat(pieces(new AnswerModel(true, null, "g"), "data: {\"model\":\"ab", "c"))
        .containsExactly("data: {\"model\":", "", "\"abc");
  }

  @Test
  void aValueThatIsNoNameIsNotHeldBack() {
    String long1 = "x".repeat(900);
    String in = "{\"model\":\"" + long1;
    assertThat(pieces(new AnswerModel(false, null, "g"), in, long1, long1 + "\",\"model\":\"m\"}"))
        .containsExactly("{\"model\":", "\"" + long1 + long1, long1 + "\",\"model\":\"m\"}", "");
    String event = "data: {\"model\":\"" + long1 + long1;
    assertThat(
            pieces(new AnswerModel(true, null, "g"), event, "\"}\n\ndata: {\"model\":\"m\"}\n\n"))
        .as("the next event is read again")
        .containsExactly(event, "\"}\n\ndata: {\"model\":\"g\"}\n\n", "");
  }

  @Test
  void aPieceWithoutAModelGoesOnAsTheBufferThatItIs() {
    AnswerModel a = new AnswerModel(true, null, "g");
    ByteBuf piece = Unpooled.copiedBuffer("data: {\"x\":1}\n\n", UTF_8);
    assertThat(a.pass(piece)).isSameAs(piece);
    piece.release();
  }
}
