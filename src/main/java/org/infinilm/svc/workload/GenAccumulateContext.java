package org.infinilm.svc.workload;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.workload.GenContext.Count;
import org.infinilm.svc.workload.LargeContext.Sample;

/// `infini gen-accumulate-context`: writes a JSONL dataset of conversations whose context grows
/// with each message and whose `prompt_cache_key` names the conversation, for routing by affinity.
public final class GenAccumulateContext {
  private static final Key<String> OUTPUT =
      Key.text("output", "accumulate_context.jsonl", "JSONL file to write; its folder must exist.");
  private static final Key<String> NUM_CONVERSATIONS =
      GenContext.raw("num_conversations", "N", "4", "Number of conversations.");
  private static final Key<String> MESSAGES_PER_CONV =
      GenContext.raw(
          "messages_per_conv", "N", "8", "User messages per conversation, one request each.");
  private static final Key<String> CONTEXT_LEN =
      GenContext.raw("context_len", "N", "1024", "Characters of context that each message adds.");
  private static final Key<String> NEW_MSG_LEN =
      GenContext.raw("new_msg_len", "N", "128", "Characters of each later user message.");
  private static final Key<String> SEED =
      GenContext.raw("seed", "N", "42", "Same seed, same file.");

  public static final Program PROGRAM =
      new Program(
          "gen-accumulate-context",
          "Write a dataset of growing conversations, each with its own prompt_cache_key.",
          List.of(OUTPUT, NUM_CONVERSATIONS, MESSAGES_PER_CONV, CONTEXT_LEN, NEW_MSG_LEN, SEED),
          Map.of(),
          "",
          false,
          args -> run(args, System.out, System.err));

  private GenAccumulateContext() {}

  static int run(Program.Args args, PrintStream out, PrintStream err) throws ConfigException {
    Path output = Path.of(args.config().get(OUTPUT));
    try {
      LargeContext plan = plan(args);
      Count count = new Count(plan.conversations(), Long.MAX_VALUE);
      GenContext.write(plan, output, count, Sample::keyedJson);
      out.println(
          output
              + ": "
              + count.all
              + " requests in "
              + plan.conversations()
              + " conversations (prompt_cache_key conv_0 to conv_"
              + (plan.conversations() - 1)
              + "), chat bodies of "
              + count.smallestBytes
              + " to "
              + count.largestBytes
              + " bytes");
      return 0;
    } catch (IllegalArgumentException e) {
      err.println(e.getMessage());
      return 1;
    } catch (IOException e) {
      err.println("--output: " + output + " cannot be written: " + ConfigException.reason(e));
      return 1;
    }
  }

  private static LargeContext plan(Program.Args args) throws ConfigException {
    int contextLen = GenContext.whole(args, CONTEXT_LEN, 1, GenContext.MOST_LENGTH);
    return GenContext.bounded(
        new LargeContext(
            GenContext.whole(args, NUM_CONVERSATIONS, 1, GenContext.MOST_CONVERSATIONS),
            GenContext.whole(args, MESSAGES_PER_CONV, 1, GenContext.MOST_MESSAGES),
            contextLen,
            GenContext.whole(args, NEW_MSG_LEN, 1, GenContext.MOST_LENGTH),
            0,
            OptionalInt.of(0),
            contextLen,
            GenContext.number(args, SEED, Long.MIN_VALUE, Long.MAX_VALUE)));
  }
}
