package org.infinilm.svc.workload;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.Consumer;
import org.infinilm.svc.http.Json;

/// Conversations of which some begin with a large context: a dataset for routing by size. Pure; the
/// same settings give the same records.
///
/// A conversation's first user message has `largeContextLen` or `contextLen` characters, its later
/// ones `newMsgLen`, each reply between them `contextLen`. Record m of a conversation holds its
/// history up to user message m, so every record ends with a user turn. Records come in rounds, one
/// of each conversation a round in a new order, so that conversations interleave.
///
/// @param numLarge how many conversations, the first ones, are large; empty: each with `largeProb`
record LargeContext(
    int conversations,
    int messages,
    int contextLen,
    int newMsgLen,
    double largeProb,
    OptionalInt numLarge,
    int largeContextLen,
    long seed) {

  /// One message of a history.
  record Message(String role, String content) {}

  /// One request.
  ///
  /// @param index which user message of its conversation it ends with, from 0
  record Sample(int conversation, int index, boolean large, List<Message> messages) {
    /// The key that keeps this conversation on one instance.
    String cacheKey() {
      return "conv_" + conversation;
    }

    /// The history as plain text, one `role: content` line a message.
    String prompt() {
      StringBuilder text = new StringBuilder();
      for (Message m : messages) {
        text.append(text.isEmpty() ? "" : "\n").append(m.role()).append(": ").append(m.content());
      }
      return text.toString();
    }

    /// One line of a JSONL file, its keys in the order that readers of the original know.
    String json() {
      return head() + place() + ",\"has_large_context\":" + large + "}";
    }

    /// The same for a dataset whose conversations carry a key instead of a size.
    String keyedJson() {
      return head() + ",\"prompt_cache_key\":" + Json.text(cacheKey()) + place() + "}";
    }

    private String head() {
      return "{\"prompt\":" + Json.text(prompt()) + ",\"messages\":" + messagesJson();
    }

    private String place() {
      return ",\"conversation_id\":" + conversation + ",\"message_index\":" + index;
    }

    /// UTF-8 bytes of the smallest chat request with these messages.
    long bodyBytes(String model) {
      String envelope = "{\"model\":" + Json.text(model) + ",\"messages\":" + messagesJson() + "}";
      return envelope.getBytes(StandardCharsets.UTF_8).length;
    }

    /// UTF-8 bytes of the messages' texts.
    long textBytes() {
      return messages.stream()
          .mapToLong(m -> m.content().getBytes(StandardCharsets.UTF_8).length)
          .sum();
    }

    private String messagesJson() {
      StringBuilder text = new StringBuilder("[");
      for (Message m : messages) {
        text.append(text.length() == 1 ? "" : ",");
        text.append("{\"role\":").append(Json.text(m.role()));
        text.append(",\"content\":").append(Json.text(m.content())).append('}');
      }
      return text.append(']').toString();
    }
  }

  /// Characters of text in all records together, each history counted once as `prompt` and once as
  /// `messages`; an upper bound that assumes every conversation is large.
  double mostCharacters() {
    double history = largeContextLen;
    double all = 0;
    for (int m = 0; m < messages && all < 1e18; m++) {
      all += 2 * history;
      history += contextLen + (double) newMsgLen;
    }
    return all * conversations;
  }

  /// Hands every record to `sink`, in file order.
  void generate(Consumer<Sample> sink) {
    Random random = new Random(seed);
    boolean[] large = new boolean[conversations];
    for (int c = 0; c < conversations; c++) {
      large[c] = numLarge.isPresent() ? c < numLarge.getAsInt() : random.nextDouble() < largeProb;
    }
    List<List<Message>> histories = new ArrayList<>();
    List<Integer> order = new ArrayList<>();
    for (int c = 0; c < conversations; c++) {
      histories.add(new ArrayList<>());
      order.add(c);
    }
    for (int m = 0; m < messages; m++) {
      Collections.shuffle(order, random);
      for (int c : order) {
        List<Message> history = histories.get(c);
        if (m == 0) {
          int length = large[c] ? largeContextLen : contextLen;
          history.add(new Message("user", Prose.opening(c, length, random)));
        } else {
          history.add(new Message("assistant", Prose.reply(c, contextLen, random)));
          history.add(new Message("user", Prose.question(c, newMsgLen, random)));
        }
        sink.accept(new Sample(c, m, large[c], List.copyOf(history)));
      }
    }
  }
}
