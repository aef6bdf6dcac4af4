package org.infinilm.svc.deploy;

import java.util.ArrayList;
import java.util.List;

/// The `data` fields of a text/event-stream body. Pure.
final class Sse {
  private Sse() {}

  static List<String> data(String body) {
    List<String> out = new ArrayList<>();
    for (String event : body.split("\r?\n\r?\n")) {
      StringBuilder data = new StringBuilder();
      for (String line : event.split("\r?\n")) {
        if (line.startsWith("data:")) {
          data.append(data.isEmpty() ? "" : "\n").append(line.substring(5).strip());
        }
      }
      if (!data.isEmpty()) {
        out.add(data.toString());
      }
    }
    return out;
  }
}
