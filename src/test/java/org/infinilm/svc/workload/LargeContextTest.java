package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.LargeContext.Message;
import org.infinilm.svc.workload.LargeContext.Sample;
import org.junit.jupiter.api.Test;

class LargeContextTest {
  private static final LargeContext PLAN =
      new LargeContext(5, 4, 300, 90, 0.5, OptionalInt.of(2), 2000, 42);

  private static List<Sample> samples(LargeContext plan) {
    List<Sample> out = new ArrayList<>();
    plan.generate(out::add);
    return out;
  }

  private static List<String> lines(LargeContext plan) {
    return samples(plan).stream().map(Sample::json).toList();
  }

  @Test
  void sameSeedSameFile() {
    assertThat(lines(PLAN)).isEqualTo(lines(PLAN));
    assertThat(lines(new LargeContext(5, 4, 300, 90, 0.5, OptionalInt.of(2), 2000, 43)))
        .isNotEqualTo(lines(PLAN));
  }

  @Test
  void everyRecordEndsWithAUserTurn() {
    for (Sample s : samples(PLAN)) {
      assertThat(s.messages()).hasSize(2 * s.index() + 1);
      assertThat(IntStream.range(0, s.messages().size()).mapToObj(i -> s.messages().get(i).role()))
          .containsExactlyElementsOf(
              IntStream.range(0, s.messages().size())
                  .mapToObj(i -> i % 2 == 0 ? "user" : "assistant")
                  .toList());
    }
  }

  @Test
  void conversationsInterleaveAndKeepTheirOwnOrder() {
    List<Sample> all = samples(PLAN);
    assertThat(all).hasSize(20);
    for (int round = 0; round < 4; round++) {
      int index = round;
      List<Sample> part = all.subList(round * 5, round * 5 + 5);
      assertThat(part).allMatch(s -> s.index() == index);
      assertThat(part.stream().map(Sample::conversation)).containsExactlyInAnyOrder(0, 1, 2, 3, 4);
    }
  }

  @Test
  void aHistoryGrowsByAppendingOnly() {
    List<List<Message>> last = new ArrayList<>();
    IntStream.range(0, 5).forEach(i -> last.add(List.of()));
    for (Sample s : samples(PLAN)) {
      List<Message> before = last.set(s.conversation(), s.messages());
      assertThat(s.messages().subList(0, before.size())).isEqualTo(before);
    }
  }

  @Test
  void lengthsAreExact() {
    for (Sample s : samples(PLAN)) {
      assertThat(s.large()).isEqualTo(s.conversation() < 2);
      for (int i = 0; i < s.messages().size(); i++) {
        int expected = i == 0 ? (s.large() ? 2000 : 300) : i % 2 == 0 ? 90 : 300;
        assertThat(s.messages().get(i).content()).hasSize(expected);
      }
    }
  }

  @Test
  void aLineHasTheKeysInTheOrderOfTheOriginal() throws Exception {
    Sample s = samples(PLAN).getLast();
    assertThat(s.json()).doesNotContain("\n");
    JsonNode line = Json.tree(s.json().getBytes(StandardCharsets.UTF_8));
    assertThat(line.fieldNames())
        .toIterable()
        .containsExactly(
            "prompt", "messages", "conversation_id", "message_index", "has_large_context");
    assertThat(line.get("messages").get(0).fieldNames())
        .toIterable()
        .containsExactly("role", "content");
    assertThat(line.get("prompt").asText())
        .startsWith("user: " + s.messages().getFirst().content() + "\nassistant: ")
        .endsWith("\nuser: " + s.messages().getLast().content());
  }

  @Test
  void probabilityZeroAndOneMeanNoneAndAll() {
    assertThat(samples(new LargeContext(20, 1, 10, 10, 0, OptionalInt.empty(), 50, 1)))
        .noneMatch(Sample::large);
    assertThat(samples(new LargeContext(20, 1, 10, 10, 1, OptionalInt.empty(), 50, 1)))
        .allMatch(Sample::large);
    assertThat(
            samples(new LargeContext(400, 1, 10, 10, 0.5, OptionalInt.empty(), 50, 1)).stream()
                .filter(Sample::large)
                .count())
        .isBetween(150L, 250L);
  }

  @Test
  void sizesAreThoseOfTheRequest() {
    Sample s = new Sample(0, 0, false, List.of(new Message("user", "ä\"b")));
    assertThat(s.textBytes()).isEqualTo(4);
    assertThat(s.bodyBytes("m"))
        .isEqualTo(
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"ä\\\"b\"}]}"
                .getBytes(StandardCharsets.UTF_8)
                .length);
  }
}
