package org.infinilm.svc.policy;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// A part of what was written to a file, read back with every value checked: what is not there, no
/// number within reason or of another length is named.
public final class Recalled {
  /// Nothing that is learned is larger; sums of squares of such numbers stay finite.
  private static final double MOST = 1e15;

  private final Map<?, ?> from;
  private final String place;

  private Recalled(Map<?, ?> from, String place) {
    this.from = from;
    this.place = place;
  }

  public static Recalled of(Map<String, Object> whole) {
    return new Recalled(whole, "");
  }

  private String at(String name) {
    return place.isEmpty() ? name : place + "." + name;
  }

  private static IllegalArgumentException wrong(String at, @Nullable Object is, String expected) {
    String shown = String.valueOf(is);
    String head = shown.length() > 40 ? shown.substring(0, 40) + "..." : shown;
    return new IllegalArgumentException(at + ": " + head + " (expected: " + expected + ")");
  }

  public Set<String> names() {
    Set<String> out = new TreeSet<>();
    for (Object k : from.keySet()) {
      out.add(String.valueOf(k));
    }
    return out;
  }

  public Recalled in(String name) {
    if (from.get(name) instanceof Map<?, ?> m) {
      return new Recalled(m, at(name));
    }
    throw wrong(at(name), from.get(name), "an object");
  }

  public double number(String name) {
    return finite(at(name), from.get(name));
  }

  private static double finite(String at, @Nullable Object o) {
    if (o instanceof Number n && Math.abs(n.doubleValue()) <= MOST) {
      return n.doubleValue();
    }
    throw wrong(at, o, "a number of at most " + MOST);
  }

  /// Whether it is an array of so many.
  boolean has(String name, int length) {
    return from.get(name) instanceof List<?> l && l.size() == length;
  }

  /// @throws IllegalArgumentException when it is no array of so many finite numbers
  public double[] numbers(String name, int length) {
    if (from.get(name) instanceof List<?> l && l.size() == length) {
      double[] out = new double[length];
      for (int k = 0; k < length; k++) {
        out[k] = finite(at(name), l.get(k));
      }
      return out;
    }
    throw wrong(at(name), from.get(name), length + " numbers");
  }
}
