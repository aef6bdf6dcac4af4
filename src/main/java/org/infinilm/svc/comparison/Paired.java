package org.infinilm.svc.comparison;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.results.TimeKind;

/// Times of the same requests on two sides, from their real send: base[i], other[i] and index[i]
/// belong together. Empty when the sizes say that equal indexes are not the same requests.
record Paired(int[] index, double[] base, double[] other) {

  private static final long TOLERANCE_BYTES = 256;

  static Paired of(Side base, Side other, TimeKind kind) {
    Map<Integer, Double> from = new TreeMap<>(base.byIndex(kind::served));
    Map<Integer, Double> to = other.byIndex(kind::served);
    List<Integer> both = from.keySet().stream().filter(to::containsKey).toList();
    if (!alike(both, base, other)) {
      both = List.of();
    }
    int[] index = both.stream().mapToInt(Integer::intValue).toArray();
    double[] a = both.stream().mapToDouble(i -> from.getOrDefault(i, Double.NaN)).toArray();
    double[] b = both.stream().mapToDouble(i -> to.getOrDefault(i, Double.NaN)).toArray();
    return new Paired(index, a, b);
  }

  /// Nine of ten sizes must agree to a tenth: answers in a history may differ in length, the order
  /// of requests must not.
  private static boolean alike(List<Integer> indexes, Side base, Side other) {
    Map<Integer, Long> a = base.sizes(true);
    Map<Integer, Long> b = other.sizes(true);
    int known = 0;
    int agree = 0;
    for (Integer i : indexes) {
      Long x = a.get(i);
      Long y = b.get(i);
      if (x != null && y != null) {
        known++;
        agree += Math.abs(x - y) <= TOLERANCE_BYTES + Math.max(x, y) / 10 ? 1 : 0;
      }
    }
    return 10L * agree >= 9L * known;
  }

  int size() {
    return index.length;
  }
}
