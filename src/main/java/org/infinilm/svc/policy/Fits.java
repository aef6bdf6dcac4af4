package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// How far estimates of prompts are from the truth, by kind of text. Immutable.
final class Fits {
  static final Fits FIRST = new Fits(new EnumMap<>(Ask.TextKind.class));

  private final Map<Ask.TextKind, Fit> byKind;

  private Fits(Map<Ask.TextKind, Fit> byKind) {
    this.byKind = byKind;
  }

  Fit of(Ask.TextKind kind) {
    return byKind.getOrDefault(kind, Fit.FIRST);
  }

  /// What is known after a prompt of this kind was so many times as long as estimated.
  Fits after(Ask.TextKind kind, double ratio) {
    EnumMap<Ask.TextKind, Fit> next = new EnumMap<>(Ask.TextKind.class);
    next.putAll(byKind);
    next.put(kind, of(kind).after(ratio));
    return new Fits(next);
  }

  /// What is known of this kind; by others where nothing is known of it here.
  Fit of(Ask.TextKind kind, Fits others) {
    Fit own = byKind.get(kind);
    return own == null ? others.of(kind) : own;
  }

  /// The middle of what several say.
  static Fits mean(List<Fits> of) {
    EnumMap<Ask.TextKind, Fit> out = new EnumMap<>(Ask.TextKind.class);
    for (Ask.TextKind kind : Ask.TextKind.values()) {
      List<Fit> all = new ArrayList<>();
      of.forEach(f -> {
        Fit known = f.byKind.get(kind);
        if (known != null) {
          all.add(known);
        }
      });
      if (!all.isEmpty()) {
        out.put(
            kind,
            new Fit(
                all.stream().mapToDouble(Fit::mean).average().orElse(0),
                all.stream().mapToDouble(Fit::variance).max().orElse(0)));
      }
    }
    return new Fits(out);
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> out = new HashMap<>();
    byKind.forEach((k, f) -> out.put(k.name(), new double[] {f.mean(), f.variance()}));
    return out;
  }

  /// What a file says.
  static Fits recall(Recalled from) {
    EnumMap<Ask.TextKind, Fit> read = new EnumMap<>(Ask.TextKind.class);
    for (String kind : from.names()) {
      double[] pair = from.numbers(kind, 2);
      read.put(
          Ask.TextKind.valueOf(kind),
          new Fit(Math.clamp(pair[0], -2, 2), Math.clamp(pair[1], 0, 4)));
    }
    return new Fits(read);
  }
}
