package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.infinilm.svc.engine.Vocabulary.Message;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AskReaderTest {
  private final AskReader reader = new AskReader(new AskReader.Defaults(1.0, 0.8, 1), () -> 77L);

  private static byte[] json(String text) {
    return text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
  }

  private static String chat(String more) {
    return "{'messages':[{'role':'user','content':'hi'}]," + more + "}";
  }

  @Test
  void toolsThatMayNotBeCalledAskForNothing() throws Exception {
    String tools = "'tools':[{'type':'function','function':{'name':'f'}}]";
    assertThat(reader.chat(json("{'prompt':'hi'," + tools + ",'tool_choice':'none'}")).messages())
        .hasSize(1);
    assertThat(reader.chat(json("{'prompt':'hi'," + tools + ",'tool_choice':'none'}")).tools())
        .isNull();
    assertThatThrownBy(() -> reader.completion(json("{'prompt':'hi'," + tools + "}")))
        .isInstanceOf(ApiError.class)
        .hasMessage("tools: a list of 1 (expected: none; chats take tools, completions do not)");
  }

  @Test
  void aChatInAllItsForms() throws ApiError {
    Ask ask =
        reader.chat(
            json(
                "{'model':'m','stream':true,'stream_options':{'include_usage':true},'x':{'y':1},"
                    + "'messages':[{'role':'developer','content':'be brief'},"
                    + "{'role':'assistant','content':null},"
                    + "{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]}],"
                    + "'max_tokens':9,'max_completion_tokens':5,'stop':['x','y'],'top_k':-1}"));
    assertThat(ask.messages())
        .containsExactly(
            new Message("system", "be brief"),
            new Message("assistant", ""),
            new Message("user", "ab"));
    assertThat(ask.model()).isEqualTo("m");
    assertThat(ask.maxTokens()).isEqualTo(5);
    assertThat(ask.stream()).isTrue();
    assertThat(ask.usageChunk()).isTrue();
    assertThat(ask.usageAlways()).isFalse();
    assertThat(ask.sampling())
        .isEqualTo(new Sampling(1.0, -1, 0.8, 0, 77, List.of("x", "y"), false));
  }

  @Test
  void aPromptOnTheChatRouteIsOneUserMessage() throws ApiError {
    Ask ask =
        reader.chat(json("{'prompt':'hi','logprobs':null,'repetition_penalty':1.0,'stop':'s'}"));
    assertThat(ask.messages()).containsExactly(new Message("user", "hi"));
    assertThat(ask.maxTokens()).isNull();
    assertThat(ask.sampling().stops()).containsExactly("s");
  }

  @Test
  void promptsOfCompletions() throws ApiError {
    assertThat(reader.completion(json("{'prompt':'a'}")).text()).isEqualTo("a");
    assertThat(reader.completion(json("{'prompt':['a']}")).text()).isEqualTo("a");
    assertThat(reader.completion(json("{'prompt':[1,2]}")).tokens()).containsExactly(1, 2);
    assertThat(reader.completion(json("{'prompt':[[1,2]]}")).tokens()).containsExactly(1, 2);
    assertThatThrownBy(() -> reader.completion(json("{'prompt':['a','b']}")))
        .hasMessage("prompt: a list of 2 (expected: a string, or a list with one string)");
    assertThatThrownBy(() -> reader.completion(json("{'prompt':[1,'b']}")))
        .hasMessage("prompt[1]: a string (expected: a token id)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          'n':17                             | n: 17 (expected: a whole number 1..16)
          'temperature':2.5                  | temperature: 2.5 (expected: a number 0.0..2.0)
          'temperature':'hot'                | temperature: a string (expected: a number 0.0..2.0)
          'top_p':-0.1                       | top_p: -0.1 (expected: a number 0.0..1.0)
          'min_p':2                          | min_p: 2 (expected: a number 0.0..1.0)
          'top_k':-2                         | top_k: -2 (expected: a whole number -1..2147483647)
          'max_tokens':0                     | max_tokens: 0 (expected: a whole number 1..2147483647)
          'max_tokens':1.5                   | max_tokens: 1.5 (expected: a whole number 1..2147483647)
          'max_completion_tokens':-1         | max_completion_tokens: -1 (expected: a whole number 1..2147483647)
          'seed':'x'                         | seed: a string (expected: a whole number)
          'stop':['']                        | stop: an empty string (expected: a string that is not empty, or a list of them)
          'stop':'\\ud83d'                      | stop: half a character (a lone surrogate) (expected: whole characters)
          'stream':'yes'                     | stream: a string (expected: true or false)
          'model':5                          | model: 5 (expected: a string)
          'logprobs':3                       | logprobs: 3 (expected: true or false)
          'logprobs':true,'top_logprobs':21  | top_logprobs: 21 (expected: a whole number 0..20)
          'top_logprobs':2                   | top_logprobs: 2 (expected: logprobs: true beside it)
          'presence_penalty':2.1             | presence_penalty: 2.1 (expected: a number -2.0..2.0)
          'frequency_penalty':-3             | frequency_penalty: -3 (expected: a number -2.0..2.0)
          'repetition_penalty':0             | repetition_penalty: 0 (expected: a number 0.01..100.0)
          'logit_bias':{'5':101}             | logit_bias.5: 101 (expected: a number -100..100)
          'logit_bias':{'a':1}               | logit_bias: a key that is no number (expected: token ids as keys)
          'logit_bias':{'+1':1}              | logit_bias: a key that is no number (expected: token ids as keys)
          'logit_bias':{'१':1}               | logit_bias: a key that is no number (expected: token ids as keys)
          'max_tokens':'x','max_completion_tokens':5 | max_tokens: a string (expected: a whole number 1..2147483647)
          'skip_special_tokens':false        | skip_special_tokens: false (expected: true)
          'add_generation_prompt':false      | add_generation_prompt: false (expected: true)
          'continue_final_message':true      | continue_final_message: true (expected: false)
          'n_predict':3                      | n_predict: 3 (expected: none; max_tokens bounds an answer)
          'typical_p':0.5                    | typical_p: 0.5 (expected: 1)
          'bad_words':['a']                  | bad_words: a list (expected: none; logit_bias takes tokens out)
          'logit_bias':[1]                   | logit_bias: a list (expected: an object of at most 1024 token ids with a number -100..100 each)
          'min_tokens':-1                    | min_tokens: -1 (expected: a whole number 0..2147483647)
          'stream_options':true              | stream_options: true (expected: an object)
          'functions':[{'name':'f'}]         | functions: a list (expected: none; chats take tools)
          'function_call':'auto'             | function_call: a string (expected: none; chats take tools)
          'tools':[{'type':'function'}]      | tools[0].function: missing (expected: an object)
          'tool_choice':'required'           | tool_choice: a string (expected: none or auto without tools)
          'response_format':{'type':'json_object'},'tools':[{'type':'function','function':{'name':'f'}}] | response_format: a form of JSON (expected: text beside tools, or tool_choice none)
          'min_tokens':3,'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':'required' | min_tokens: 3 (expected: 0 beside a tool_choice, which says where it ends)
          'best_of':2                        | best_of: 2 (expected: 1)
          'guided_regex':'a+'                | guided_regex: a string (expected: none; response_format describes the form of an answer)
          'response_format':{'type':'json_object'},'ignore_eos':true | ignore_eos: true (expected: false beside a response_format, which says where it ends)
          'response_format':{'type':'json_object'},'min_tokens':3 | min_tokens: 3 (expected: 0 beside a response_format, which says where it ends)
          """)
  void whatCannotBeHonouredNamesItsRange(String field, String message) {
    assertThatThrownBy(() -> reader.chat(json(chat(field))))
        .isInstanceOfSatisfying(
            ApiError.class,
            e -> {
              assertThat(e.status()).isEqualTo(400);
              assertThat(e).hasMessage(message);
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {'messages':[]}                        | messages: an empty list (expected: a list with at least one message)
          {}                                     | messages: missing (expected: a list of messages, or prompt: a string)
          {'messages':[{'content':'x'}]}         | messages[0].role: missing (expected: assistant, developer, function, system, tool, user)
          {'messages':[{'role':'user','content':5}]} | messages[0].content: 5 (expected: a string or a list of text parts)
          {'messages':[{'role':'user','content':[{'type':'image_url'}]}]} | messages[0].content: a part of type image_url (expected: parts of type text)
          {'messages':[{'role':'user','content':['hi']}]} | messages[0].content: a list with a string (expected: objects of type text)
          {'messages':[{'role':'user','content':[{'type':'text'}]}]} | messages[0].content: a part whose text is missing (expected: a string)
          [1]                                    | body: a list (expected: a JSON object)
          {'messages':                           | Invalid JSON at line 1, column 13 (expected: a JSON object)
          """)
  void brokenChatsAreExplained(String body, String message) {
    assertThatThrownBy(() -> reader.chat(json(body)))
        .isInstanceOf(ApiError.class)
        .hasMessage(message);
  }

  @Test
  void anErrorHasOpenAisShape() {
    assertThat(Json.text(ApiError.value("n", 2, "1").body()))
        .isEqualTo(
            "{\"error\":{\"code\":\"invalid_value\",\"message\":\"n: 2 (expected: 1)\","
                + "\"param\":\"n\",\"type\":\"invalid_request_error\"}}");
    assertThat(
            new ApiError(429, "queue_full", null, "full").response().headers().get("retry-after"))
        .isEqualTo("1");
  }

  @Test
  void anEventIsOneLineAndAnEmptyOne() {
    Answers answers = new Answers(true, "id", 5, "m", "fp");
    assertThat(
            new String(
                Answers.event(answers.piece(0, "a\n\"é", null, null)), StandardCharsets.UTF_8))
        .isEqualTo(
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\\n\\\"é\"},\"finish_reason\":null,"
                + "\"index\":0,\"logprobs\":null}],\"created\":5,\"id\":\"id\",\"model\":\"m\","
                + "\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp\"}\n\n");
    assertThat(Json.text(answers.total(Answers.usage(7, 4, 2))))
        .isEqualTo(
            "{\"choices\":[],\"created\":5,\"id\":\"id\",\"model\":\"m\","
                + "\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp\",\"usage\":{\"completion_tokens\":2,"
                + "\"prompt_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":4},"
                + "\"total_tokens\":9}}");
  }

  @Test
  void thePageNamesEveryFieldThatIsRefused() throws Exception {
    String page = Files.readString(Path.of("docs", "engine.md"));
    for (String field : Refusals.fields()) {
      assertThat(page).contains("`" + (field.startsWith("guided_") ? "guided_*" : field) + "`");
    }
  }

  /// What is built of values that nobody reads is held in memory all the same.
  @Test
  void aBodyOfMillionsOfValuesIsRefusedBeforeItIsBuilt() {
    byte[] many = json("{'prompt':'hi','x':[" + "{},".repeat(Fields.MOST_VALUES / 2) + "{}]}");
    assertThatThrownBy(() -> reader.chat(many))
        .isInstanceOf(ApiError.class)
        .hasMessageContaining("more than " + Fields.MOST_VALUES + " values")
        .extracting(e -> ((ApiError) e).status())
        .isEqualTo(413);
    assertThatThrownBy(() -> reader.completion(many)).isInstanceOf(ApiError.class);
    assertThatThrownBy(() -> reader.tokenize(many)).isInstanceOf(ApiError.class);
    assertThatThrownBy(() -> EmbeddingAsk.read(many)).isInstanceOf(ApiError.class);
  }
}
