package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.ModelState;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Lists and further answers in the shapes in which the engines send them.
class EngineWordsTest {
  private static JsonNode json(String s) throws Exception {
    return Json.tree(s.replace('\'', '"').getBytes(UTF_8));
  }

  private static List<Map<String, Object>> list(String data) throws Exception {
    return ModelLists.of(json("{'object':'list','data':" + data + "}").toString().getBytes(UTF_8));
  }

  private static final String LLAMA =
      "[{'id':'m','aliases':['m','n'],'object':'model','created':1,'owned_by':'llamacpp','meta':{'n_vocab':9,'n_ctx_train':131072}}]";

  /// `n_ctx` there is of one slot, whatever `--ctx-size` was divided by.
  @Test
  void llamaCppSaysWhatASlotHoldsAndHowManyThereAre() throws Exception {
    List<Map<String, Object>> list = list(LLAMA);
    EngineWords words = EngineWords.of(list);
    assertThat(words).isEqualTo(EngineWords.LLAMA_CPP);
    assertThat(words.target()).isEqualTo("/props");
    List<Map<String, Object>> more =
        words.added(
            list,
            json(
                "{'default_generation_settings':{'id':0,'n_ctx':4096,'params':{}},'total_slots':4,'model_path':'/m.gguf'}"));
    assertThat(Metadata.capacityTokens(Map.of(), more)).isEqualTo(4096);
    assertThat(more.getFirst()).containsEntry("max_num_seqs", 4L);
    assertThat(Metadata.capacityTokens(Map.of(), list)).as("the list as it was").isEqualTo(-1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "[]",
        "{'default_generation_settings':{'n_ctx':0},'total_slots':0}",
        "{'default_generation_settings':{'n_ctx':'many'},'total_slots':-1}",
        "{'default_generation_settings':7,'role':'router'}",
      })
  void propsThatSayNothingChangeNothing(String said) throws Exception {
    List<Map<String, Object>> list = list(LLAMA);
    assertThat(EngineWords.LLAMA_CPP.added(list, json(said))).isEqualTo(list);
  }

  @Test
  void whatTheListSaysItselfStays() throws Exception {
    List<Map<String, Object>> list =
        list("[{'id':'m','owned_by':'llamacpp','meta':{'n_ctx':8192,'n_ctx_train':131072}}]");
    List<Map<String, Object>> more =
        EngineWords.LLAMA_CPP.added(
            list, json("{'default_generation_settings':{'n_ctx':512},'total_slots':1}"));
    assertThat(Metadata.capacityTokens(Map.of(), more)).isEqualTo(8192);
  }

  @Test
  void lmStudioSaysWhatIsLoadedAndWhatThatHolds() throws Exception {
    List<Map<String, Object>> list =
        list(
            "[{'id':'a','object':'model','owned_by':'organization_owner'},{'id':'b','object':'model','owned_by':'organization_owner'}]");
    EngineWords words = EngineWords.of(list);
    assertThat(words).isEqualTo(EngineWords.LM_STUDIO);
    List<Map<String, Object>> more =
        words.added(
            list,
            json(
                "{'object':'list','data':[{'id':'a','type':'llm','state':'loaded','max_context_length':131072,'loaded_context_length':4096},{'id':'b','type':'vlm','state':'not-loaded','max_context_length':32768},{'id':'gone','state':'loaded'}]}"));
    assertThat(Metadata.notLoaded(more)).isEqualTo(Map.of("b", ModelState.UNLOADED));
    assertThat(Metadata.listedTokens(more.getFirst())).isEqualTo(4096);
    assertThat(Metadata.listedTokens(more.getLast())).isEqualTo(-1);
  }

  @Test
  void ollamaSaysWhatIsInMemory() throws Exception {
    List<Map<String, Object>> list =
        list(
            "[{'id':'gemma3:latest','object':'model','created':1,'owned_by':'library'},{'id':'me/own:latest','object':'model','created':1,'owned_by':'me'}]");
    EngineWords words = EngineWords.of(list);
    assertThat(words).isEqualTo(EngineWords.OLLAMA);
    List<Map<String, Object>> more =
        words.added(
            list,
            json(
                "{'models':[{'name':'me/own:latest','model':'me/own:latest','size':1,'expires_at':'2026-01-01T00:00:00Z','context_length':8192}]}"));
    assertThat(Metadata.notLoaded(more)).isEqualTo(Map.of("gemma3:latest", ModelState.UNLOADED));
    assertThat(Metadata.listedTokens(more.getLast())).isEqualTo(8192);
    assertThat(words.added(list, json("{'error':'x'}"))).isEqualTo(list);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[]",
        "[{'id':'m'}]",
        "[{'id':'m','owned_by':'vllm','max_model_len':1024}]",
        "[{'id':'m','owned_by':'llamacpp','status':{'value':'unloaded'}}]",
        "[{'id':'m','owned_by':'llamacpp'},{'id':'n','owned_by':'llamacpp'}]",
        "[{'id':'m','owned_by':7}]",
      })
  void othersAreNotAskedForMore(String data) throws Exception {
    assertThat(EngineWords.of(list(data))).isNull();
  }
}
