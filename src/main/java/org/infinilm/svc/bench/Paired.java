package org.infinilm.svc.bench;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Times of the same requests on two sides: base[i], other[i] and index[i] belong together.
record Paired(int[] index, double[] base, double[] other) {

  static Paired of(Side base, Side other, TimeKind kind) {
    Map<Integer, Double> from = new TreeMap<>(base.byIndex(kind::seconds));
    Map<Integer, Double> to = other.byIndex(kind::seconds);
    List<Integer> both = from.keySet().stream().filter(to::containsKey).toList();
    int[] index = both.stream().mapToInt(Integer::intValue).toArray();
    double[] a = both.stream().mapToDouble(from::get).toArray();
    double[] b = both.stream().mapToDouble(to::get).toArray();
    return new Paired(index, a, b);
  }

  int size() {
    return index.length;
  }
}
