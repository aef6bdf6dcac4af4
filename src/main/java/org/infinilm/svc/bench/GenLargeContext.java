package org.infinilm.svc.bench;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import org.infinilm.svc.bench.LargeContext.Sample;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.jspecify.annotations.Nullable;

/// `infini gen-large-context`: writes a JSONL dataset of conversations of which some begin with a
/// large context, and says how many requests lie above the router's threshold.
public final class GenLargeContext {
  private static final String MODEL = "9g_8b_thinking";
  private static final int DEFAULT_THRESHOLD = 51200;
  private static final double MOST_CHARACTERS = 4e9;

  private static final Key<String> OUTPUT =
      Key.text("output", "large_context.jsonl", "JSONL file to write; its folder must exist.");
  private static final Key<String> NUM_CONVERSATIONS =
      raw("num_conversations", "N", "4", "Number of conversations.");
  private static final Key<String> MESSAGES_PER_CONV =
      raw("messages_per_conv", "N", "8", "User messages per conversation, one request each.");
  private static final Key<String> CONTEXT_LEN =
      raw("context_len", "N", "1024", "Characters of context that each message adds.");
  private static final Key<String> NEW_MSG_LEN =
      raw("new_msg_len", "N", "128", "Characters of each later user message.");
  private static final Key<String> LARGE_CONTEXT_PROB =
      raw("large_context_prob", "X", "0.5", "Probability that a conversation begins large.");
  private static final Key<String> NUM_LARGE_CONTEXT =
      raw(
          "num_large_context",
          "N",
          null,
          "How many conversations begin large; replaces the probability.");
  private static final Key<String> LARGE_CONTEXT_LEN =
      raw("large_context_len", "N", "2048", "Characters of a large first message.");
  private static final Key<String> SEED = raw("seed", "N", "42", "Same seed, same file.");
  private static final Key<String> THRESHOLD =
      raw(
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

  /// A value that this program parses itself: a bad one is an answer (exit 1), not a usage error.
  private static Key<String> raw(String name, String label, @Nullable String fallback, String doc) {
    return new Key<>(name, new Key.Type<>(label, s -> s), fallback, List.of(), false, doc);
  }

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
    try {
      Count count = write(plan, output, threshold);
      report(plan, output, threshold, count, out, err);
      return 0;
    } catch (IOException e) {
      err.println("--output: " + output + " cannot be written: " + reason(e));
      return 1;
    }
  }

  private static LargeContext plan(Program.Args args, PrintStream err) throws ConfigException {
    int conversations = whole(args, NUM_CONVERSATIONS, 1, 1_000_000);
    OptionalInt numLarge = OptionalInt.empty();
    if (args.config().find(NUM_LARGE_CONTEXT).isPresent()) {
      int asked = whole(args, NUM_LARGE_CONTEXT, 0, Integer.MAX_VALUE);
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
    LargeContext plan =
        new LargeContext(
            conversations,
            whole(args, MESSAGES_PER_CONV, 1, 100_000),
            whole(args, CONTEXT_LEN, 1, 100_000_000),
            whole(args, NEW_MSG_LEN, 1, 100_000_000),
            probability(args),
            numLarge,
            whole(args, LARGE_CONTEXT_LEN, 1, 100_000_000),
            number(args, SEED, Long.MIN_VALUE, Long.MAX_VALUE));
    if (plan.mostCharacters() > MOST_CHARACTERS) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "these settings could write %.1f GB (expected: at most %.0f GB); lower --num-conversations, --messages-per-conv or a length",
              plan.mostCharacters() / 1e9,
              MOST_CHARACTERS / 1e9));
    }
    return plan;
  }

  private static int whole(Program.Args args, Key<String> key, int min, int max)
      throws ConfigException {
    return (int) number(args, key, min, max);
  }

  private static long number(Program.Args args, Key<String> key, long min, long max)
      throws ConfigException {
    String text = args.config().get(key);
    try {
      long v = Long.parseLong(text.strip());
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException(
        key.flagName() + ": " + text + " (expected: a whole number " + min + ".." + max + ")");
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
      return number(args, THRESHOLD, 0, Long.MAX_VALUE);
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

  /// What was written.
  ///
  /// @param above requests whose body is above the threshold
  /// @param aboveByText the same by the bytes of their text alone
  private record Count(int all, int above, int aboveByText, long smallest, long largest) {
    Count plus(long body, long text, long threshold) {
      return new Count(
          all + 1,
          above + (body > threshold ? 1 : 0),
          aboveByText + (text > threshold ? 1 : 0),
          Math.min(smallest, body),
          Math.max(largest, body));
    }
  }

  private static Count write(LargeContext plan, Path output, long threshold) throws IOException {
    Path partial = output.resolveSibling(output.getFileName() + ".part");
    Count[] count = {new Count(0, 0, 0, Long.MAX_VALUE, 0)};
    try {
      try (BufferedWriter writer = Files.newBufferedWriter(partial)) {
        plan.generate(s -> {
          writeLine(writer, s);
          count[0] = count[0].plus(s.bodyBytes(MODEL), s.textBytes(), threshold);
        });
      } catch (UncheckedIOException e) {
        throw e.getCause();
      }
      Files.move(partial, output, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
    return count[0];
  }

  private static void writeLine(BufferedWriter writer, Sample s) {
    try {
      writer.write(s.json());
      writer.write('\n');
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void report(
      LargeContext plan, Path output, long threshold, Count c, PrintStream out, PrintStream err) {
    out.println(
        output
            + ": "
            + c.all()
            + " requests in "
            + plan.conversations()
            + " conversations, chat bodies of "
            + c.smallest()
            + " to "
            + c.largest()
            + " bytes");
    out.println(
        c.above()
            + " of "
            + c.all()
            + " requests lie above the threshold of "
            + threshold
            + " bytes (static), "
            + (c.all() - c.above())
            + " at or below it (paged)"
            + (c.above() == c.aboveByText()
                ? ""
                : "; by text bytes alone: " + c.aboveByText() + " above"));
    if (c.above() == 0) {
      err.println(
          "warning: no request lies above the threshold, so none would go to the static instance."
              + " Raise --large-context-len above "
              + threshold
              + (plan.numLarge().isPresent() ? " and --num-large-context above 0" : "")
              + ", or lower the threshold below "
              + c.largest()
              + ".");
    } else if (c.above() == c.all()) {
      err.println(
          "warning: every request lies above the threshold, so none would go to the paged instance."
              + " Lower --context-len, --large-context-len or the share of large conversations,"
              + " or raise the threshold to "
              + c.smallest()
              + " or more.");
    }
  }

  static String reason(IOException e) {
    String name = e.getClass().getSimpleName().replace("Exception", "");
    return e instanceof java.nio.file.FileSystemException fse && fse.getReason() != null
        ? fse.getReason()
        : name.equals("IO") ? String.valueOf(e.getMessage()) : name + " " + e.getMessage();
  }
}
