package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpHeaders;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Look-ups and patches on Netty's header fields.
final class NettyFields {
  private NettyFields() {}

  /// All values of a field joined by commas, or null.
  static @Nullable String joined(HttpHeaders h, String name) {
    List<String> all = h.getAll(name);
    return switch (all.size()) {
      case 0 -> null;
      case 1 -> all.getFirst();
      default -> String.join(", ", all);
    };
  }

  static void apply(HttpHeaders h, HeadPatch patch) {
    for (String name : patch.dropped()) {
      h.remove(name);
    }
    for (Header f : patch.set()) {
      h.set(f.name(), f.value());
    }
  }
}
