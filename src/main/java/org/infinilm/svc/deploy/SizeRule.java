package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The size rule as a user of the router knows it: `size <= threshold` is paged, above is static.
/// Pure.
///
/// @param threshold in the unit of the metric
record SizeRule(Metric metric, long threshold) {
  /// The body of the large request of the seed's validation.
  static final int LARGE_BYTES = 60_000;

  /// What the router measures.
  enum Metric {
    BODY,
    TEXT,
    TOKENS;

    /// The metric under which `sent` has the size that the router saw.
    static Metric of(ChatBody sent, long seen) {
      if (seen == sent.json().length) {
        return BODY;
      }
      return seen == sent.textBytes() ? TEXT : TOKENS;
    }
  }

  /// One request around the threshold.
  ///
  /// @param size its exact size, or -1 where the metric is an estimate
  record Case(String title, ChatBody body, long size) {}

  String pool(long size) {
    return size > threshold ? "static" : "paged";
  }

  /// The requests to try, smallest first: just below, at and above the threshold, the seed's 60 KB,
  /// and more where nothing yet lies above it.
  List<Case> cases(String model) {
    List<Case> out = new ArrayList<>();
    if (metric == Metric.TOKENS) {
      out.add(new Case("a short request", ChatBody.ofTextBytes(model, 5), -1));
      out.add(new Case("a 60 KB request", large(model, LARGE_BYTES), -1));
      return out;
    }
    String unit = metric == Metric.BODY ? "bytes" : "bytes of text";
    for (int around = -1; around <= 1; around++) {
      long size = threshold + around;
      String sign = around == 0 ? "threshold" : "threshold " + (around < 0 ? "- 1" : "+ 1");
      body(model, size)
          .ifPresent(b -> out.add(new Case(size + " " + unit + " (" + sign + ")", b, size)));
    }
    body(model, LARGE_BYTES).ifPresent(b -> out.add(new Case("60000 " + unit, b, LARGE_BYTES)));
    return out;
  }

  /// A small request of about `bytes` bytes that belongs to the paged pool, or empty when the
  /// threshold is below any chat request.
  Optional<ChatBody> small(String model, int bytes) {
    if (metric == Metric.TOKENS) {
      return Optional.of(ChatBody.ofTextBytes(model, 4 + bytes % 16));
    }
    for (long size = Math.min(threshold, bytes); size > 0 && size > threshold - 64; size--) {
      Optional<ChatBody> b = body(model, size);
      if (b.isPresent()) {
        return b;
      }
    }
    return body(model, Math.min(threshold, bytes));
  }

  private Optional<ChatBody> body(String model, long size) {
    if (size < 0 || size > 32 << 20) {
      return Optional.empty();
    }
    return metric == Metric.BODY
        ? ChatBody.ofBodyBytes(model, (int) size)
        : Optional.of(ChatBody.ofTextBytes(model, (int) size));
  }

  private static ChatBody large(String model, int bytes) {
    return ChatBody.ofTextBytes(model, bytes);
  }
}
