package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.ModelState;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MetadataTest {
  private static Map<String, Object> map(String json) throws JsonProcessingException {
    return Json.plain(Json.tree(json.getBytes(java.nio.charset.StandardCharsets.UTF_8)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{} | -1",
        "{\"max_cache_len\":4096} | 4096",
        "{\"max_cache_len\":\"4096\"} | 4096",
        "{\"max_cache_len\":4096.0,\"cache_type\":\"static\"} | 4096",
        "{\"max_cache_len\":8192,\"cache_type\":\"paged\"} | 8192",
        "{\"max_cache_len\":0} | -1",
        "{\"max_cache_len\":-5} | -1",
        "{\"max_cache_len\":[1]} | -1",
        "{\"max_model_len\":2048} | 2048",
        "{\"max_model_len\":2048,\"max_cache_len\":4096} | 2048",
        "{\"num_blocks\":8192,\"block_size\":16} | 131072",
        "{\"num_blocks\":8192} | -1",
        "{\"block_size\":16} | -1",
        "{\"num_blocks\":512,\"block_size\":16,\"max_model_len\":131072,\"cache_type\":\"paged\"} | 8192",
        "{\"num_blocks\":9000000000000000000,\"block_size\":9000000000000000000} | 4611686018427387904",
      })
  void theSmallestOfWhatTheMetadataSaysHolds(String json, long tokens) throws Exception {
    assertThat(Metadata.capacityTokens(map(json), null)).isEqualTo(tokens);
  }

  /// Entries of model lists as the engines send them.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        // vLLM, SGLang
        "{\"id\":\"m\",\"object\":\"model\",\"owned_by\":\"vllm\",\"max_model_len\":16384,\"permission\":[]} | 16384",
        // an adapter of vLLM
        "{\"id\":\"lora\",\"parent\":\"m\",\"max_model_len\":null} | -1",
        // llama.cpp: per slot, and what the model was trained with
        "{\"id\":\"m\",\"owned_by\":\"llamacpp\",\"meta\":{\"vocab_type\":2,\"n_vocab\":1,\"n_ctx\":8192,\"n_ctx_train\":131072}} | 8192",
        "{\"id\":\"m\",\"meta\":{\"n_ctx_train\":131072}} | -1",
        "{\"id\":\"m\",\"meta\":null} | -1",
        "{\"id\":\"m\",\"meta\":{\"n_ctx\":8192},\"max_model_len\":4096} | 4096",
        "{\"id\":\"m\"} | -1",
      })
  void aModelsEntrySaysWhatItHolds(String json, long tokens) throws Exception {
    assertThat(Metadata.listedTokens(map(json))).isEqualTo(tokens);
    assertThat(Metadata.capacityTokens(Map.of(), List.of(map(json)))).isEqualTo(tokens);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{} | 4096 | 16384 | 16384",
        "{\"max_cache_len\":8192} | 4096 | 16384 | 8192",
        "{\"max_cache_len\":32768} | 4096 | 16384 | 16384",
      })
  void ofSeveralModelsTheLargestCountsWithinTheInstancesOwnBound(
      String json, int one, int other, long tokens) throws Exception {
    assertThat(
            Metadata.capacityTokens(
                map(json),
                List.of(
                    Map.of("id", "a", "max_model_len", one),
                    Map.of("id", "b", "max_model_len", other))))
        .isEqualTo(tokens);
  }

  /// As llama.cpp says it as a router of its own, and as LM Studio does.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"id\":\"m\"} | LOADED | false",
        "{\"id\":\"m\",\"status\":{\"value\":\"loaded\",\"args\":[\"llama-server\"]}} | LOADED | true",
        "{\"id\":\"m\",\"status\":{\"value\":\"loading\"}} | LOADING | true",
        "{\"id\":\"m\",\"status\":{\"value\":\"unloaded\"}} | UNLOADED | true",
        "{\"id\":\"m\",\"status\":{\"value\":\"sleeping\"}} | UNLOADED | true",
        "{\"id\":\"m\",\"status\":{\"value\":\"downloading\"}} | UNLOADED | true",
        "{\"id\":\"m\",\"status\":{\"value\":\"unloaded\",\"failed\":true,\"exit_code\":1}} | FAILED | true",
        "{\"id\":\"m\",\"status\":{\"value\":7}} | LOADED | true",
        "{\"id\":\"m\",\"status\":\"live\"} | LOADED | false",
        "{\"id\":\"m\",\"state\":\"not-loaded\"} | UNLOADED | true",
        "{\"id\":\"m\",\"state\":\"loaded\"} | LOADED | true",
        "{\"id\":\"m\",\"state\":{\"x\":1}} | LOADED | false",
      })
  void aModelsEntrySaysWhetherItIsInMemory(String json, ModelState state, boolean says)
      throws Exception {
    assertThat(Metadata.modelState(map(json))).isEqualTo(state);
    assertThat(Metadata.saysModelState(map(json))).isEqualTo(says);
    assertThat(Metadata.notLoaded(List.of(map(json))))
        .isEqualTo(state == ModelState.LOADED ? Map.of() : Map.of("m", state));
  }

  @Test
  void aliasesAreNamesOfTheirModel() throws Exception {
    Map<String, Object> entry =
        map(
            "{\"id\":\"chat\",\"aliases\":[\"chat\",\"gpt-oss\",3],\"status\":{\"value\":\"unloaded\"}}");
    assertThat(Metadata.names(List.of(entry, Map.of("id", "other"))))
        .containsExactly("chat", "other", "gpt-oss");
    assertThat(Metadata.notLoaded(List.of(entry))).containsOnlyKeys("chat", "gpt-oss");
    assertThat(Metadata.models(Map.of("models", List.of("chat"), "models_list", List.of(entry))))
        .containsExactly("chat", "gpt-oss");
    assertThat(Metadata.models(Map.of("models", List.of("x"), "models_list", List.of(entry))))
        .as("a model that it does not serve")
        .containsExactly("x");
    assertThat(Metadata.models(Map.of("models_list", List.of(entry)))).isNull();
  }

  @Test
  void aNameThatWouldBreakALineIsNone() throws Exception {
    for (String name : List.of("a\\nb", "a\\u0085b", "a\\u2028b", "\\u001b[1m", " ")) {
      Map<String, Object> entry =
          map(
              "{\"id\":\""
                  + name
                  + "\",\"models\":[\""
                  + name
                  + "\",\"ok\"],\"aliases\":[\""
                  + name
                  + "\"]}");
      assertThat(Metadata.models(entry)).containsExactly("ok");
      assertThat(Metadata.modelsList(List.of(entry))).isEmpty();
      assertThat(Metadata.aliases(entry)).isEmpty();
      String list = "{\"data\":[{\"id\":\"" + name + "\"},{\"id\":\"ok\"}]}";
      assertThat(Metadata.names(ModelLists.of(list.getBytes(UTF_8)))).containsExactly("ok");
    }
  }

  @Test
  void theTimeOfAnAnswerIsNoChangeOfAList() {
    List<Map<String, Object>> one = List.of(Map.of("id", "m", "created", 1));
    assertThat(Metadata.same(one, List.of(Map.of("id", "m", "created", 2)))).isTrue();
    assertThat(Metadata.same(one, List.of(Map.of("id", "n", "created", 1)))).isFalse();
    assertThat(Metadata.same(one, List.of())).isFalse();
    assertThat(Metadata.same(one, null)).isFalse();
  }

  /// `weight: 0.5` was weight 0, which means never, and half a place any number of places.
  @Test
  void whatIsNoWholeNumberCountsAsAbsentAndIsNamed() {
    Object[] odd = {
      0.5, 1.9, -1, -1L, -0.5, Double.NaN, 1e300, "0.5", "-1", "two", true, List.of()
    };
    for (Object o : odd) {
      assertThat(Metadata.whole(o)).as(String.valueOf(o)).isEqualTo(-1);
      assertThat(Metadata.odd(Map.of("weight", o)))
          .containsExactly("weight: " + o + " (expected: a whole number, 0 or more)");
      assertThat(Metadata.weight(o, 7)).isEqualTo(7);
      assertThat(Seating.tier(Map.of("tier", o))).isEqualTo(1);
      assertThat(Metadata.capacityTokens(Map.of("max_cache_len", o), null)).isEqualTo(-1);
    }
    for (Object o : new Object[] {8, 8L, 8.0, 8.0f, "8"}) {
      assertThat(Metadata.whole(o)).isEqualTo(8);
      assertThat(Metadata.odd(Map.of("weight", o, "other", 0.5))).isEmpty();
    }
    assertThat(Metadata.odd(Map.of("cache_type", "static"))).isEmpty();
    assertThat(Metadata.odd(Map.of("cache_type", "foo")))
        .containsExactly("cache_type: foo (expected: paged or static)");
    assertThat(Metadata.odd(Map.of("weight", 0.5, "max_concurrency", "x".repeat(500))))
        .hasSize(2)
        .allMatch(text -> text.length() < 200);
  }
}
