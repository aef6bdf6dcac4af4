package org.infinilm.svc.deploy;

import java.util.Map;
import java.util.TreeMap;

/// The outcome of one check.
///
/// @param name what was checked
/// @param expected what a healthy deployment shows
/// @param seen what this one showed
/// @param seconds how long looking took
record Check(String name, boolean ok, String expected, String seen, double seconds) {

  static Check of(String name, boolean ok, String expected, String seen) {
    return new Check(name, ok, expected, seen, 0);
  }

  Check took(double s) {
    return new Check(name, ok, expected, seen, s);
  }

  Map<String, Object> json() {
    Map<String, Object> out = new TreeMap<>();
    out.put("name", name);
    out.put("ok", ok);
    out.put("expected", expected);
    out.put("seen", seen);
    out.put("seconds", Math.round(seconds * 1000) / 1000.0);
    return out;
  }
}
