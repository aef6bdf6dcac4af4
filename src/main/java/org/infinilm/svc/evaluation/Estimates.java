package org.infinilm.svc.evaluation;

import java.util.EnumMap;
import java.util.Map;
import org.infinilm.svc.policy.Ask;

/// What a router makes of a request before an answer: tokens by the bytes of each kind of text,
/// learned from the answers' `usage`, and the room that the answer may need.
final class Estimates {
  private static final double STEP = 0.05;

  private final long thresholdBytes;
  private final long mostCapacityTokens;
  private final Map<Text, Double> tokensPerByte = new EnumMap<>(Text.class);
  private double output;

  Estimates(FleetPlan plan) {
    this.thresholdBytes = plan.thresholdBytes();
    this.mostCapacityTokens =
        plan.nodes().stream().mapToLong(n -> n.engine().capacityTokens()).max().orElseThrow();
    for (Text t : Text.values()) {
      tokensPerByte.put(t, 1 / t.firstGuess);
    }
  }

  private double rate(Request r) {
    return tokensPerByte.getOrDefault(r.text(), 0.25);
  }

  Ask ask(Request r) {
    long prompt = (long) Math.ceil(r.bodyBytes() * rate(r));
    long need = prompt + (r.maxTokens() > 0 ? r.maxTokens() : (long) Math.ceil(output));
    need = Math.max(prompt, Math.min(need, mostCapacityTokens));
    return new Ask(
        r.bodyBytes(),
        thresholdBytes,
        need,
        r.bodyBytes() / 12,
        r.key(),
        prompt,
        r.maxTokens(),
        switch (r.text()) {
          case ENGLISH -> Ask.TextKind.PROSE;
          case CODE -> Ask.TextKind.CODE;
          case CJK -> Ask.TextKind.WIDE;
        },
        r.key());
  }

  void learn(Request r, int promptTokens, int outputTokens) {
    double rate = rate(r);
    double seen = (double) promptTokens / r.bodyBytes();
    tokensPerByte.put(r.text(), rate + STEP * (seen - rate));
    output = output == 0 ? outputTokens : output + STEP * (outputTokens - output);
  }
}
