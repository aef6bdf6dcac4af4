package org.infinilm.svc.workload;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.StringJoiner;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.workload.GenContext.Count;
import org.infinilm.svc.workload.LargeContext.Sample;

/// `infini gen-large-context`: writes a JSONL dataset of conversations of which some begin with a
/// large context, and says how many requests lie above the router's threshold.
public final class GenLargeContext {
  private static final int DEFAULT_THRESHOLD = 51200;
  private static final int MOST_SHOWN = 16;

  private static final Key<String> OUTPUT =
      Key.text("output", "large_context.jsonl", "JSONL file to write; its folder must exist.");
  private static final Key<String> NUM_CONVERSATIONS =
      GenContext.raw("num_conversations", "N", "4", "Number of conversations.");
  private static final Key<String> MESSAGES_PER_CONV =
      GenContext.raw(
          "messages_per_conv", "N", "8", "User messages per conversation, one request each.");
  private static final Key<String> CONTEXT_LEN =
      GenContext.raw("context_len", "N", "1024", "Characters of context that each message adds.");
  private static final Key<String> NEW_MSG_LEN =
      GenContext.raw("new_msg_len", "N", "128", "Characters of each later user message.");
  private static final Key<String> LARGE_CONTEXT_PROB =
      GenContext.raw(
          "large_context_prob", "X", "0.5", "Probability that a conversation begins large.");
  private static final Key<String> NUM_LARGE_CONTEXT =
      GenContext.raw(
          "num_large_context",
          "N",
          null,
          "How many conversations begin large; replaces the probability.");
  private static final Key<String> LARGE_CONTEXT_LEN =
      GenContext.raw("large_context_len", "N", "2048", "Characters of a large first message.");
  private static final Key<String> SEED =
      GenContext.raw("seed", "N", "42", "Same seed, same file.");
  private static final Key<String> THRESHOLD =
      GenContext.raw(
          "threshold",
          "BYTES",
          null,
          "Routing threshold to count against. Default: CACHE_TYPE_ROUTING_THRESHOLD or 51200.");

  public static final Program PROGRAM =
      new Program(
          "gen-large-context",
          "Write a dataset of conversations, some with a large first message.",
          List.of(
              OUTPUT,
              NUM_CONVERSATIONS,
              MESSAGES_PER_CONV,
              CONTEXT_LEN,
              NEW_MSG_LEN,
              LARGE_CONTEXT_PROB,
              NUM_LARGE_CONTEXT,
              LARGE_CONTEXT_LEN,
              SEED,
              THRESHOLD),
          Map.of(),
          "",
          false,
          args -> run(args, System.getenv(), System.out, System.err));

  private GenLargeContext() {}

  static int run(Program.Args args, Map<String, String> env, PrintStream out, PrintStream err)
      throws ConfigException {
    LargeContext plan;
    long threshold;
    try {
      plan = plan(args, err);
      threshold = threshold(args, env, err);
    } catch (IllegalArgumentException e) {
      err.println(e.getMessage());
      return 1;
    }
    Path output = Path.of(args.config().get(OUTPUT));
    Count count = new Count(plan.conversations(), threshold);
    try {
      GenContext.write(plan, output, count, Sample::json);
      report(plan, output, threshold, count, out, err);
      return 0;
    } catch (IOException e) {
      err.println("--output: " + output + " cannot be written: " + ConfigException.reason(e));
      return 1;
    }
  }

  private static LargeContext plan(Program.Args args, PrintStream err) throws ConfigException {
    int conversations = GenContext.whole(args, NUM_CONVERSATIONS, 1, GenContext.MOST_CONVERSATIONS);
    OptionalInt numLarge = OptionalInt.empty();
    if (args.config().find(NUM_LARGE_CONTEXT).isPresent()) {
      int asked = GenContext.whole(args, NUM_LARGE_CONTEXT, 0, Integer.MAX_VALUE);
      if (asked > conversations) {
        err.println(
            "warning: --num-large-context: "
                + asked
                + " is more than the "
                + conversations
                + " conversations; all of them begin large");
      }
      numLarge = OptionalInt.of(Math.min(asked, conversations));
    }
    return GenContext.bounded(
        new LargeContext(
            conversations,
            GenContext.whole(args, MESSAGES_PER_CONV, 1, GenContext.MOST_MESSAGES),
            GenContext.whole(args, CONTEXT_LEN, 1, GenContext.MOST_LENGTH),
            GenContext.whole(args, NEW_MSG_LEN, 1, GenContext.MOST_LENGTH),
            probability(args),
            numLarge,
            GenContext.whole(args, LARGE_CONTEXT_LEN, 1, GenContext.MOST_LENGTH),
            GenContext.number(args, SEED, Long.MIN_VALUE, Long.MAX_VALUE)));
  }

  private static double probability(Program.Args args) throws ConfigException {
    String text = args.config().get(LARGE_CONTEXT_PROB);
    try {
      double v = Double.parseDouble(text.strip());
      if (v >= 0 && v <= 1) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(
        LARGE_CONTEXT_PROB.flagName() + ": " + text + " (expected: a number 0.0..1.0)");
  }

  /// The flag must be a number; the router's environment variable, like in the router, may be
  /// wrong.
  private static long threshold(Program.Args args, Map<String, String> env, PrintStream err)
      throws ConfigException {
    if (args.config().find(THRESHOLD).isPresent()) {
      return GenContext.number(args, THRESHOLD, 0, Long.MAX_VALUE);
    }
    String text = env.get("CACHE_TYPE_ROUTING_THRESHOLD");
    if (text == null || text.isBlank()) {
      return DEFAULT_THRESHOLD;
    }
    try {
      long v = Long.parseLong(text.strip());
      if (v >= 0) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    err.println(
        "warning: CACHE_TYPE_ROUTING_THRESHOLD: "
            + text
            + " (expected: a whole number of bytes); using "
            + DEFAULT_THRESHOLD);
    return DEFAULT_THRESHOLD;
  }

  private static void report(
      LargeContext plan, Path output, long threshold, Count c, PrintStream out, PrintStream err) {
    out.println(
        output
            + ": "
            + c.all
            + " requests in "
            + plan.conversations()
            + " conversations, chat bodies of "
            + c.smallestBytes
            + " to "
            + c.largestBytes
            + " bytes");
    out.println(
        c.above
            + " of "
            + c.all
            + " requests lie above the threshold of "
            + threshold
            + " bytes (static), "
            + (c.all - c.above)
            + " at or below it (paged)"
            + (c.above == c.aboveByText
                ? ""
                : "; by text bytes alone: " + c.aboveByText + " above"));
    out.println("above the threshold by conversation: " + byConversation(plan, c));
    if (c.above == 0) {
      err.println(
          "warning: no request lies above the threshold, so none would go to the static instance."
              + " Raise --large-context-len above "
              + threshold
              + (plan.numLarge().isPresent() ? " and --num-large-context above 0" : "")
              + ", or lower the threshold below "
              + c.largestBytes
              + ".");
    } else if (c.above == c.all) {
      err.println(
          "warning: every request lies above the threshold, so none would go to the paged instance."
              + " Lower --context-len, --large-context-len or the share of large conversations,"
              + " or raise the threshold to "
              + c.smallestBytes
              + " or more.");
    }
  }

  /// `0: 8 of 8, 1: 0 of 8`; the rest of a long list is summed up.
  private static String byConversation(LargeContext plan, Count c) {
    StringJoiner text = new StringJoiner(", ");
    int shown = Math.min(plan.conversations(), MOST_SHOWN);
    for (int i = 0; i < shown; i++) {
      text.add(i + ": " + c.aboveOf[i] + " of " + plan.messages());
    }
    if (shown < plan.conversations()) {
      int rest = 0;
      for (int i = shown; i < plan.conversations(); i++) {
        rest += c.aboveOf[i];
      }
      text.add(
          "the other "
              + (plan.conversations() - shown)
              + ": "
              + rest
              + " of "
              + (long) plan.messages() * (plan.conversations() - shown));
    }
    return text.toString();
  }
}
