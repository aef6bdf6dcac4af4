package org.infinilm.svc.workload;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.workload.DatasetFile.Line;
import org.infinilm.svc.workload.LoadItem.Message;
import org.jspecify.annotations.Nullable;

/// Conversations whose context grows: the next turn is sent after the answer to the one before it
/// has come, with that answer in the history and one `prompt_cache_key` a conversation.
///
/// Items come in rounds, the first turn of every conversation first.
final class DatasetConversation {
  /// One conversation.
  ///
  /// @param turns what each turn adds: the user's message, before the first one also others
  private record Talk(String cacheKey, List<List<Message>> turns) {}

  private DatasetConversation() {}

  static Workload of(Config c) throws ConfigException {
    Optional<String> given = c.find(WorkloadKeys.DATASET_PATH);
    if (given.isPresent()) {
      Path file = DatasetFile.path(c);
      byte[] bytes = DatasetFile.read(file);
      int length = Math.max(0, c.get(WorkloadKeys.CUSTOM_OUTPUT_LEN).intValue());
      List<LoadItem> items = items(talks(DatasetFile.lines(file, bytes)), length, wanted(c));
      return new Workload("conversation", file.toString(), Digest.of(bytes), null, items);
    }
    int turns = c.get(WorkloadKeys.MESSAGES_PER_CONV).intValue();
    int conversations = c.get(WorkloadKeys.NUM_CONVERSATIONS).intValue();
    int wanted = wanted(c);
    if (wanted < Integer.MAX_VALUE) {
      conversations = Math.max(conversations, (wanted + turns - 1) / turns);
    }
    List<LoadItem> items =
        items(
            made(c, conversations, turns),
            c.get(WorkloadKeys.RANDOM_OUTPUT_LEN).intValue(),
            wanted);
    String generator =
        String.format(
            Locale.ROOT,
            "%d turns a conversation, %d characters first and %d later, %d out",
            turns,
            c.get(WorkloadKeys.CONTEXT_LEN),
            c.get(WorkloadKeys.NEW_MSG_LEN),
            c.get(WorkloadKeys.RANDOM_OUTPUT_LEN));
    return new Workload("conversation", null, Digest.of(items), generator, items);
  }

  private static int wanted(Config c) {
    return c.find(WorkloadKeys.NUM_PROMPTS).map(Long::intValue).orElse(Integer.MAX_VALUE);
  }

  private static List<Talk> made(Config c, int conversations, int turns) throws ConfigException {
    Random random = new Random(c.get(WorkloadKeys.SEED));
    int first = c.get(WorkloadKeys.CONTEXT_LEN).intValue();
    int later = c.get(WorkloadKeys.NEW_MSG_LEN).intValue();
    if ((double) conversations * (first + (double) turns * later) > RequestBody.mostText()) {
      throw new ConfigException(
          conversations
              + " conversations of these lengths"
              + RequestBody.tooMuch()
              + "; lower --num-conversations, --context-len or --new-msg-len");
    }
    List<Talk> out = new ArrayList<>();
    for (int k = 0; k < conversations; k++) {
      List<List<Message>> says = new ArrayList<>();
      for (int t = 0; t < turns; t++) {
        String text = t == 0 ? Prose.opening(k, first, random) : Prose.question(k, later, random);
        says.add(List.of(new Message("user", Json.text(text))));
      }
      out.add(new Talk("conv_" + k, says));
    }
    return out;
  }

  /// Lines with one `conversation_id` are turns of one conversation in order of `message_index`;
  /// lines without are conversations of their own, each user message a turn.
  private static List<Talk> talks(List<Line> lines) throws ConfigException {
    Map<String, List<Line>> grouped = new LinkedHashMap<>();
    List<Talk> out = new ArrayList<>();
    for (Line l : lines) {
      JsonNode id = l.object().path("conversation_id");
      if (id.isMissingNode() || id.isNull()) {
        out.add(whole(l, out.size()));
      } else {
        grouped.computeIfAbsent(id.asText(), x -> new ArrayList<>()).add(l);
      }
    }
    for (Map.Entry<String, List<Line>> e : grouped.entrySet()) {
      e.getValue()
          .sort(java.util.Comparator.comparingInt(l -> l.object().path("message_index").asInt()));
      List<List<Message>> turns = new ArrayList<>();
      String key = null;
      for (Line l : e.getValue()) {
        turns.add(added(l, turns.isEmpty()));
        key = key == null ? key(l) : key;
      }
      out.add(new Talk(key == null ? "conv_" + e.getKey() : key, turns));
    }
    return out;
  }

  private static @Nullable String key(Line l) {
    JsonNode k = l.object().path("prompt_cache_key");
    return k.isTextual() ? k.textValue() : null;
  }

  /// What a line that holds the history adds to it; the recorded answers are left out.
  private static List<Message> added(Line l, boolean first) throws ConfigException {
    List<Message> all = new ArrayList<>(DatasetFile.messages(l));
    while (!all.isEmpty() && all.getLast().role().equals("assistant")) {
      all.removeLast();
    }
    if (all.isEmpty()) {
      throw l.wrong("no user message in \"messages\" (expected: at least one)");
    }
    if (first) {
      return all;
    }
    int from = all.size() - 1;
    while (from > 0 && !all.get(from - 1).role().equals("assistant")) {
      from--;
    }
    return all.subList(from, all.size());
  }

  private static Talk whole(Line l, int number) throws ConfigException {
    List<List<Message>> turns = new ArrayList<>();
    List<Message> next = new ArrayList<>();
    for (Message m : DatasetFile.messages(l)) {
      if (m.role().equals("assistant")) {
        continue;
      }
      next.add(m);
      if (m.role().equals("user")) {
        turns.add(next);
        next = new ArrayList<>();
      }
    }
    if (turns.isEmpty()) {
      throw l.wrong("no user message in \"messages\" (expected: at least one)");
    }
    String key = key(l);
    return new Talk(key == null ? "conv_" + number : key, turns);
  }

  private static List<LoadItem> items(List<Talk> talks, int outputTokens, int most) {
    List<LoadItem> out = new ArrayList<>();
    boolean more = true;
    for (int turn = 0; more; turn++) {
      more = false;
      for (int k = 0; k < talks.size(); k++) {
        Talk t = talks.get(k);
        if (turn < t.turns().size() && out.size() < most) {
          out.add(
              new LoadItem(null, t.turns().get(turn), outputTokens, Double.NaN, k, t.cacheKey()));
          more = true;
        }
      }
    }
    return out;
  }
}
