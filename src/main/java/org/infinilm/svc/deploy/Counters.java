package org.infinilm.svc.deploy;

import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/// Reads single values out of the Prometheus text format.
final class Counters {
  /// Names under which an instance counts finished generation requests, first found wins.
  static final String[] REQUESTS = {"infini_engine_requests_total", "vllm:request_success_total"};

  private Counters() {}

  /// The number of generation requests that an instance has finished, or empty when it counts none.
  static OptionalDouble requests(String exposition) {
    for (String name : REQUESTS) {
      if (exposition.contains(name)) {
        return OptionalDouble.of(sum(exposition, name));
      }
    }
    return OptionalDouble.empty();
  }

  /// The sum of a metric over all its label sets; 0 when there are none.
  static double sum(String exposition, String name) {
    return exposition.lines().filter(l -> isSampleOf(l, name)).mapToDouble(Counters::value).sum();
  }

  /// The sum of a metric by the values of one of its labels.
  static Map<String, Double> byLabel(String exposition, String name, String label) {
    Map<String, Double> out = new TreeMap<>();
    String before = label + "=\"";
    exposition
        .lines()
        .filter(l -> isSampleOf(l, name))
        .forEach(l -> {
          int at = Math.max(l.indexOf('{' + before), l.indexOf(',' + before));
          if (at >= 0) {
            int from = at + 1 + before.length();
            int to = l.indexOf('"', from);
            if (to > from) {
              out.merge(l.substring(from, to), value(l), Double::sum);
            }
          }
        });
    return out;
  }

  private static boolean isSampleOf(String line, String name) {
    return line.startsWith(name)
        && line.length() > name.length()
        && (line.charAt(name.length()) == '{' || line.charAt(name.length()) == ' ');
  }

  private static double value(String line) {
    String rest = line.substring(line.lastIndexOf('}') + 1).strip();
    String[] words = rest.split(" ");
    try {
      return Double.parseDouble(line.indexOf('}') < 0 ? words[1] : words[0]);
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException notASample) {
      return 0;
    }
  }
}
