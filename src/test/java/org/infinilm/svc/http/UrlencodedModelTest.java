package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Objects;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UrlencodedModelTest {
  private static final String TYPE = "Application/X-www-form-urlencoded; charset=utf-8";

  private static final Room NONE =
      new Room() {
        @Override
        public boolean take(long bytes) {
          return false;
        }

        @Override
        public void giveBack(long bytes) {}
      };

  @Test
  void aModelIsNamedAFewTimesAtMost() {
    assertThat(peek("model=a&".repeat(16) + "b=c").model()).isEqualTo("a");
    assertThat(peek("model=a&".repeat(17) + "b=c").modelProblem())
        .isEqualTo("model: given more than 16 times (expected: once)");
  }

  private static Peeked peek(String body) {
    ByteBuf b = Unpooled.copiedBuffer(body, UTF_8);
    Peeked whole = BodyPeek.at(b, TYPE, null, 1 << 20, Look.CHAT, false);
    UrlencodedModel pieces = new UrlencodedModel();
    byte[] bytes = body.getBytes(UTF_8);
    for (int k = 0; k < bytes.length; k++) {
      pieces.feed(bytes, k, k + 1);
    }
    if (whole.form() == Form.URLENCODED) {
      assertThat(pieces.peeked(bytes.length)).isEqualTo(whole);
    }
    return whole;
  }

  /// A body; its model; whether that is a problem.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "model=m | m | false",
        "x=1&model=m&y=2 | m | false",
        "&&model=m& | m | false",
        "%6Dode%6c=m%2f+1 | m/ 1 | false",
        "model=m=1 | m=1 | false",
        "model=%zz%4 | %zz%4 | false",
        "model=m&model=m | m | false",
        "model=m&model=n | - | true",
        "model=m&model= | - | true",
        "model=m&model | - | true",
        "model= | - | false",
        "model | - | false",
        "Model=m | - | false",
        "models=m&xmodel=m&x=model=m | - | false",
        "x=1;model=m | - | true",
        "model=m;x=1 | - | true",
        "model=m&x=1;y=2 | m | false",
        "{\"model\":\"m\"} | m | false",
        "{\"model\":\"m\",\"x\":\"1&model=n&\"} | - | true",
        "{\"x\":\"1&model=n&\"} | - | true",
      })
  void theModelIsReadAsFormParsersReadIt(String body, String model, boolean problem) {
    Peeked p = peek(body);
    assertThat(p.model()).isEqualTo(model);
    assertThat(p.modelProblem() != null).isEqualTo(problem);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "model=a&x=1 | model=b+%26&x=1",
        "x=1&%6dodel=a | x=1&%6dodel=b+%26",
        "{\"model\":\"a\"} | {\"model\":\"b &\"}",
      })
  void anAliasIsReplaced(String body, String sent) {
    ByteBuf b = Unpooled.copiedBuffer(body, UTF_8);
    ModelRewrite.Rewritten r = Objects.requireNonNull(ModelRewrite.of(b, TYPE, null, "b &", NONE));
    assertThat(r.body().toString(UTF_8)).isEqualTo(sent);
    r.release();
  }
}
