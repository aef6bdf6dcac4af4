package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Keys that clients do not give, and first tokens that engines do not mark.
class FirstWordsTest {
  private static ByteBuf body(String json) {
    return Unpooled.wrappedBuffer(json.replace('\'', '"').getBytes(UTF_8));
  }

  private static String words(String json) {
    return FirstWords.of(body(json));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'messages':[{'role':'user','content':'hello'}]}",
        "{'messages':[{'role':'system','content':'be brief'},{'role':'user','content':'hello'}]}",
        "{'messages':[{'content':'be brief','role':'system'},{'content':'hello','role':'user'},{'content':'x','role':'user'}]}",
        "{ 'messages' : [ { 'role' : 'user' , 'name' : 'bob', 'content' : 'hello' } , {'role':'assistant','content':'hi'}]}",
        "{'messages':[{'role':'user','content':'hello'},{'role':'assistant','content':'yes'},{'role':'user','content':'more'}]}",
      })
  void theFirstMessageOfTheUserIsFound(String json) {
    assertThat(words(json)).isEqualTo("hello");
  }

  @Test
  void whatAUserQuotesIsNoMessage() {
    String quoted =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"say \\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"x\\\"\"},"
            + "{\"role\":\"user\",\"content\":\"the \\\"real\\\" one\"}]}";
    assertThat(FirstWords.of(Unpooled.wrappedBuffer(quoted.getBytes(UTF_8))))
        .isEqualTo("the \\\"real\\\" one");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "{'prompt':'hello'}",
        "{'messages':[{'role':'system','content':'be brief'}]}",
        "{'messages':[{'role':'user'}]}",
        "{'messages':[{'role':'user','content'",
        "{'messages':[{'role':'user','content':"
      })
  void whereThereIsNoneThereIsNoKey(String json) {
    assertThat(FirstWords.key("m", body(json))).isZero();
  }

  @Test
  void turnsOfOneConversationShareAKeyAndSystemPromptsDoNotMakeOne() {
    String system = "{'role':'system','content':'" + "be an agent ".repeat(200) + "'},";
    String first = "{'messages':[" + system + "{'role':'user','content':'fix the bug'}";
    String second =
        first + ",{'role':'assistant','content':'done'},{'role':'user','content':'thanks'}]}";
    String other = "{'messages':[" + system + "{'role':'user','content':'write a test'}]}";
    long key = FirstWords.key("m", body(first + "]}"));
    assertThat(FirstWords.key("m", body(second))).isEqualTo(key);
    assertThat(FirstWords.key("m", body(other))).isNotEqualTo(key);
    assertThat(FirstWords.key("n", body(second))).isNotEqualTo(key);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]} | false",
        "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]} | false",
        "{\"choices\":[{\"delta\":{\"content\": \"Hi\"}}]} | true",
        "{\"choices\":[{\"text\":\" a\"}]} | true",
        "{\"choices\":[{\"delta\":{\"reasoning_content\":\"Hm\"}}]} | true",
        "{\"type\":\"message_start\",\"message\":{\"content\":[]}} | false",
        "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}} | false",
        "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"A\"}} | true",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"A\"} | true",
        "{\"type\":\"ping\"} | false"
      })
  void theFirstTokenIsTheFirstText(String event, boolean is) {
    ByteBuf b = Unpooled.wrappedBuffer(("data: " + event + "\n\n").getBytes(UTF_8));
    assertThat(FirstToken.isIn(b)).isEqualTo(is);
  }
}
