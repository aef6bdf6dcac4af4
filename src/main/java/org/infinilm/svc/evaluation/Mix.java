package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.simulator.LeapJob;

/// Traffic that is made here. Every number of a request is drawn by its id and purpose.
enum Mix {
  /// Chats: a public length distribution, answers a sixth of it at the median.
  CHAT,
  /// Agents: a long-tailed public distribution, six system prompts, short answers, a constant
  /// limit.
  AGENTS,
  /// Conversations of six turns with keys; each prompt repeats all before, some begin large.
  CONVERSATIONS,
  /// Chats of which half are Chinese: fewer bytes a token than the router first thinks.
  CJK,
  /// Code: fewer bytes a token, long prompts, short answers.
  CODE,
  /// Chats, and agents from the middle on.
  SHIFT,
  /// Short prompts with long answers.
  LONG_OUTPUTS,
  /// Chats that come in bursts.
  BURSTS,
  /// Short requests of 50,000 sessions, one of which has the more the higher it ranks (Zipf); each
  /// has a text of its own before every prompt.
  SESSIONS;

  private static final int TURNS = 6;
  private static final double SECOND = 1e9;

  /// Most that an engine generates when the client names no limit.
  private static final int ENGINE_MAX_TOKENS = 2048;

  private static final int GAP = 1;
  private static final int TOTAL = 2;
  private static final int SHARE = 3;
  private static final int BYTES = 4;
  private static final int LIMIT = 5;
  private static final int KIND = 6;
  private static final int CALLER = 7;
  private static final int THINK = 8;
  private static final int OUTPUT = 9;
  private static final int BURST = 10;
  private static final int SESSION = 11;
  private static final int PREFIX = 12;

  String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  static boolean isOne(String word) {
    return Arrays.stream(values()).anyMatch(m -> m.label().equals(word));
  }

  static Mix parse(String word) {
    for (Mix m : values()) {
      if (m.label().equals(word)) {
        return m;
      }
    }
    throw new IllegalArgumentException(
        "trace: "
            + word
            + " (expected: a file, or one of "
            + String.join(", ", Arrays.stream(values()).map(Mix::label).toList())
            + ")");
  }

  /// So many requests of it at any rate.
  Traffic of(int requests) {
    return new Traffic() {
      @Override
      public String name() {
        return label();
      }

      @Override
      public Workload at(long seed, double perSecond) {
        return make(new Draws(seed), requests, perSecond);
      }
    };
  }

  private Workload make(Draws d, int requests, double perSecond) {
    List<Request> out = new ArrayList<>(requests);
    int turns = this == CONVERSATIONS ? TURNS : 1;
    double at = 0;
    for (int first = 0; out.size() < requests; first++) {
      at += gap(d, first) * turns / perSecond * SECOND;
      conversation(d, first, at, Math.min(turns, requests - out.size()), requests, out);
    }
    return new Workload(label(), out, at);
  }

  /// With mean 1. Bursts: four of five requests come within a tenth of the mean gap.
  private double gap(Draws d, int k) {
    double e = d.exponential(k, GAP);
    if (this != BURSTS) {
      return e;
    }
    boolean inside = d.unit(k, BURST) < 0.8;
    return inside ? 0.1 * e : 4.6 * e;
  }

  private void conversation(
      Draws d, int first, double at, int turns, int requests, List<Request> out) {
    long text = this == SESSIONS ? Zipf.SESSIONS.rank(d.unit(first, SESSION)) : 1L + first;
    long key = turns > 1 || this == SESSIONS ? Hash.mix(text) : 0;
    int said = this == SESSIONS ? whole(d.lognormal(text, PREFIX, 400, 0.7), 64, 4000) : 0;
    for (int turn = 0; turn < turns; turn++) {
      int id = out.size();
      Shape s = shape(d, id, turn, said, requests);
      LeapJob job =
          new LeapJob(
              id,
              s.prompt,
              s.output,
              s.max == 0 ? ENGINE_MAX_TOKENS : s.max,
              s.system,
              s.systemTokens,
              text,
              turn == 0 && this != SESSIONS ? s.systemTokens : said);
      double bytes =
          s.prompt * s.text.bytesPerToken * d.lognormal(id, BYTES, 1, 0.12) + 200 + 60 * turn;
      double when = turn == 0 ? at : Math.clamp(d.lognormal(id, THINK, 5, 0.6), 0.5, 60.0) * SECOND;
      out.add(
          new Request(
              id, when, turn == 0 ? -1 : id - 1, job, (int) bytes, s.text, s.max, s.key + key));
      said = s.prompt + s.output;
    }
  }

  private record Shape(
      int prompt, int output, int max, Text text, long system, int systemTokens, long key) {}

  private Shape shape(Draws d, int id, int turn, int said, int requests) {
    return switch (this) {
      case CHAT, BURSTS -> chat(d, id, Text.ENGLISH);
      case CJK -> chat(d, id, d.unit(id, KIND) < 0.5 ? Text.CJK : Text.ENGLISH);
      case AGENTS -> agent(d, id);
      case SHIFT -> id < requests / 2 ? chat(d, id, Text.ENGLISH) : agent(d, id);
      case CODE -> {
        double drawn = d.lognormal(id, TOTAL, 2500, 1.0);
        int prompt = whole(drawn > 15_000 ? 15_000 * d.unit(id, KIND) : drawn, 100, 15_000);
        int output = whole(d.lognormal(id, OUTPUT, 60, 0.8), 4, 512);
        yield new Shape(prompt, output, 512, Text.CODE, 0, 0, 0);
      }
      case LONG_OUTPUTS -> {
        int prompt = whole(d.lognormal(id, TOTAL, 500, 0.8), 20, 6000);
        int output = whole(d.lognormal(id, OUTPUT, 700, 0.9), 16, 4096);
        yield new Shape(prompt, output, 4096, Text.ENGLISH, 0, 0, 0);
      }
      case SESSIONS -> {
        int prompt = said + whole(d.lognormal(id, TOTAL, 60, 0.8), 8, 2000);
        int output = whole(d.lognormal(id, OUTPUT, 30, 0.7), 2, 512);
        yield new Shape(prompt, output, 512, Text.ENGLISH, 0, 0, 0);
      }
      case CONVERSATIONS -> {
        int more = whole(d.lognormal(id, TOTAL, turn == 0 ? 900 : 250, 0.8), 20, 6000);
        more += turn == 0 && d.unit(id, KIND) < 0.2 ? 6000 : 0;
        int output = whole(d.lognormal(id, OUTPUT, 180, 0.7), 8, 1024);
        int prompt = Math.min(said + more, 14_000);
        yield new Shape(Math.max(prompt, said + 1), output, 1024, Text.ENGLISH, 0, 0, 0);
      }
    };
  }

  /// Half of the clients write a limit of 1,024, the others none.
  private static Shape chat(Draws d, int id, Text text) {
    int total = Lengths.AZURE.at(d.unit(id, TOTAL));
    double share = Math.clamp(d.lognormal(id, SHARE, 0.16, 0.7), 0.02, 0.7);
    int output = whole(total * share, 4, 1024);
    int max = d.unit(id, LIMIT) < 0.5 ? 1024 : 0;
    return new Shape(Math.max(8, total - output), output, max, text, 0, 0, 0);
  }

  private static Shape agent(Draws d, int id) {
    int total = Lengths.AGENTS.at(d.unit(id, TOTAL));
    int output = Math.min(whole(d.lognormal(id, OUTPUT, 150, 0.7), 8, 1024), total / 2);
    long system = 1 + (long) (6 * d.unit(id, CALLER));
    int prompt = Math.max(8, total - output);
    return new Shape(
        prompt, Math.max(1, output), 1024, Text.ENGLISH, system, Math.min(1500, prompt - 1), 0);
  }

  private static int whole(double v, int least, int most) {
    return Math.clamp(Math.round(v), least, most);
  }
}
