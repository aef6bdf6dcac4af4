package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.function.Predicate;
import org.infinilm.svc.http.ApiError;

/// The fields of other servers and of OpenAI that would change an answer and that this engine does
/// not offer: it says so instead of answering something else. Values that ask for nothing pass.
final class Refusals {
  private record Refusal(String field, Predicate<JsonNode> harmless, String expected) {}

  private static final String NO_FUNCTIONS = "none; chats take tools";
  private static final String OTHER_FORMS = "none; response_format describes the form of an answer";

  private static final List<Refusal> ALL =
      List.of(
          new Refusal("best_of", n -> n.isNumber() && n.doubleValue() == 1, "1"),
          new Refusal("use_beam_search", Refusals::isOff, "false"),
          new Refusal("echo", Refusals::isOff, "false"),
          new Refusal("suffix", n -> n.isTextual() && n.textValue().isEmpty(), "none"),
          new Refusal("prompt_logprobs", n -> false, "none"),
          new Refusal("truncate_prompt_tokens", n -> false, "none; a prompt is read whole"),
          new Refusal("continue_final_message", Refusals::isOff, "false"),
          new Refusal("add_generation_prompt", Refusals::isOn, "true"),
          new Refusal("allowed_token_ids", n -> false, "none; logit_bias takes tokens out"),
          new Refusal("bad_words", Refusals::isEmpty, "none; logit_bias takes tokens out"),
          new Refusal("include_stop_str_in_output", Refusals::isOff, "false"),
          new Refusal("skip_special_tokens", Refusals::isOn, "true"),
          new Refusal("n_predict", n -> false, "none; max_tokens bounds an answer"),
          new Refusal("typical_p", n -> n.isNumber() && n.doubleValue() == 1, "1"),
          new Refusal("stop_token_ids", Refusals::isEmpty, "none; stop takes texts"),
          new Refusal("functions", Refusals::isEmpty, NO_FUNCTIONS),
          new Refusal("function_call", n -> n.asText("").equals("none"), NO_FUNCTIONS),
          new Refusal(
              "modalities",
              n -> n.isArray() && n.size() == 1 && n.get(0).asText("").equals("text"),
              "[\"text\"]"),
          new Refusal("audio", n -> false, "none"),
          new Refusal("guided_json", n -> false, OTHER_FORMS),
          new Refusal("guided_regex", n -> false, OTHER_FORMS),
          new Refusal("guided_choice", n -> false, OTHER_FORMS),
          new Refusal("guided_grammar", n -> false, OTHER_FORMS),
          new Refusal("structured_outputs", n -> false, OTHER_FORMS),
          new Refusal("grammar", n -> n.isTextual() && n.textValue().isEmpty(), OTHER_FORMS),
          new Refusal("json_schema", Refusals::isEmpty, OTHER_FORMS));

  private static final List<Refusal> OF_EMBEDDINGS =
      List.of(
          new Refusal("truncate_prompt_tokens", n -> false, "none; a text is read whole"),
          new Refusal(
              "truncate",
              n -> isOff(n) || n.asText("").equalsIgnoreCase("none"),
              "none; a text is read whole"),
          new Refusal("pooling", n -> n.asText("").equals("mean"), "mean"),
          new Refusal("add_special_tokens", Refusals::isOn, "true"),
          new Refusal("normalize", Refusals::isOn, "true; vectors have length 1"),
          new Refusal(
              "embd_normalize",
              n -> n.isNumber() && n.doubleValue() == 2,
              "2; vectors have length 1"));

  private Refusals() {}

  private static boolean isOff(JsonNode n) {
    return n.isBoolean() && !n.booleanValue();
  }

  private static boolean isOn(JsonNode n) {
    return n.isBoolean() && n.booleanValue();
  }

  private static boolean isEmpty(JsonNode n) {
    return n.isContainerNode() && n.isEmpty();
  }

  /// Refuses a body that asks for what is not offered.
  static void check(JsonNode root) throws ApiError {
    check(root, ALL);
  }

  /// The same of a body for embeddings.
  static void checkEmbeddings(JsonNode root) throws ApiError {
    check(root, OF_EMBEDDINGS);
  }

  private static void check(JsonNode root, List<Refusal> all) throws ApiError {
    for (Refusal r : all) {
      JsonNode seen = root.path(r.field());
      if (Fields.given(seen) && !r.harmless().test(seen)) {
        throw ApiError.value(r.field(), Fields.kind(seen), r.expected());
      }
    }
  }

  /// The names of the fields, for the documentation's test.
  static List<String> fields() {
    return ALL.stream().map(Refusal::field).toList();
  }
}
