package org.infinilm.svc.accuracy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.results.ResultMerge;
import org.infinilm.svc.workload.Workload;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ObservedTest {
  @TempDir Path folder;

  private static String decision(int k) {
    return ("{\"request_id\":\"bench-ab-%d\",\"time\":\"2026-11-22T17:00:%02d.000Z\",\"method\":\"POST\","
            + "\"path\":\"/v1/chat/completions\",\"metric\":\"body\",\"size\":%d,\"request_bytes\":%d,"
            + "\"threshold\":100,\"pool\":\"paged\",\"instance\":\"p\",\"reason\":\"size\",\"outcome\":\"ok\","
            + "\"status\":200,\"attempts\":1,\"total_seconds\":0.5,\"ttft_seconds\":0.1}")
        .formatted(k, k, 10 + k, 10 + k);
  }

  /// Newest first.
  private static JsonNode reading(int newest, int count) throws IOException {
    List<String> all = new ArrayList<>();
    for (int k = newest; k > newest - count && k >= 0; k--) {
      all.add(decision(k));
    }
    return Json.tree(("[" + String.join(",", all) + "]").getBytes(UTF_8));
  }

  @Test
  void overlappingReadingsCountEachDecisionOnce() throws Exception {
    Observed o = new Observed();
    o.ignore(reading(1, 2));
    assertThat(o.add(reading(4, 5))).isFalse();
    assertThat(o.add(reading(7, 4))).isFalse();
    assertThat(o.decisions())
        .extracting(Observed.Decision::requestId)
        .containsExactly(
            "bench-ab-2", "bench-ab-3", "bench-ab-4", "bench-ab-5", "bench-ab-6", "bench-ab-7");
    assertThat(o.metric()).isEqualTo("body");
  }

  @Test
  void aReadingThatIsAllNewAsksForMore() throws Exception {
    Observed o = new Observed();
    o.ignore(reading(1, 2));
    assertThat(o.add(reading(9, 3))).isTrue();
    assertThat(o.add(reading(9, 20))).isFalse();
    assertThat(o.count()).isEqualTo(8);
  }

  @Test
  void otherRequestsAreLeftOut() throws Exception {
    Observed o = new Observed();
    o.ignore(Json.tree("[]".getBytes(UTF_8)));
    o.add(
        Json.tree(
            ("["
                    + decision(1).replace("POST", "GET")
                    + ","
                    + decision(2).replace("chat/completions", "tokenize")
                    + "]")
                .getBytes(UTF_8)));
    assertThat(o.count()).isZero();
  }

  @Test
  void whatTheCommandWroteIsKeptAndCompleted() throws Exception {
    Observed o = new Observed();
    o.ignore(Json.tree("[]".getBytes(UTF_8)));
    o.add(reading(1, 2));
    Path data = Files.writeString(folder.resolve("d.jsonl"), "{}\n");
    Path file =
        Files.writeString(
            folder.resolve("r.json"),
            "{\"date\":\"x\",\"num_prompts\":2,\"completed\":2,\"input_lens\":[5,6],\"output_lens\":[3,1]}");
    Routing routing =
        Routing.told(
            o.answers(),
            Map.of(
                "p",
                new Routing.Member(
                    "p",
                    "paged",
                    new Routing.Own(0.0, null, null, null),
                    new Routing.Own(2.0, null, null, null))),
            o.metric(),
            null);
    ResultMerge.merge(
        file,
        o,
        List.of(
            "python3", "x.py", "--dataset-name", "custom", "--dataset-path=" + data, "--seed", "3"),
        true,
        routing);
    JsonNode n = Json.tree(Files.readAllBytes(file));
    assertThat(n.path("date").asText()).isEqualTo("x");
    assertThat(n.path("complete").asBoolean()).isTrue();
    assertThat(n.path("routing").path("accuracy").asDouble()).isEqualTo(1);
    assertThat(n.path("routing").path("claimed").asInt()).isZero();
    assertThat(n.path("workload").path("sha256").asText()).isEqualTo(Workload.sha256(data));
    assertThat(n.path("workload").path("seed").asInt()).isEqualTo(3);
    JsonNode first = n.path("requests").get(0);
    assertThat(first.path("input_tokens").asInt()).isEqualTo(5);
    assertThat(first.path("output_tokens").asInt()).isEqualTo(3);
    assertThat(first.path("tpot_s").asDouble()).isEqualTo(0.2);
    assertThat(n.path("requests").get(1).path("start_s").asDouble()).isEqualTo(1.0);
    assertThat(n.path("requests").get(1).path("tpot_s").isNull()).isTrue();
  }

  @Test
  void aHalfWrittenResultIsSaidAndLeftAlone() throws Exception {
    Path file = Files.writeString(folder.resolve("r.json"), "{\"date\":");
    assertThatThrownBy(() -> ResultMerge.merge(file, new Observed(), List.of(), true, null))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("not a complete JSON document");
    assertThat(Files.readString(file)).isEqualTo("{\"date\":");
  }

  @Test
  void theNewestFileOfTheRunIsTaken() throws Exception {
    Path old = Files.writeString(folder.resolve("old.json"), "{}");
    Map<Path, Long> before = ResultMerge.times(folder);
    assertThat(ResultMerge.newest(folder, before)).isEmpty();
    Path made = Files.writeString(folder.resolve("new.json"), "{}");
    assertThat(ResultMerge.newest(folder, before)).contains(made);
    assertThat(ResultMerge.newest(old, Collections.emptyMap())).contains(old);
    assertThat(ResultMerge.newest(folder.resolve("none.json"), Map.of())).isEmpty();
  }
}
