package org.infinilm.svc.picker;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.Failure;
import org.jspecify.annotations.Nullable;

/// The words of the Gateway API inference extension's endpoint-picker protocol (proposal 004), and
/// those of Envoy's attributes.
final class Gateway {
  /// The namespace of the metadata.
  static final String LB = "envoy.lb";

  /// Where to send a request: the field, and the entry of [#LB].
  static final String DESTINATION = "x-gateway-destination-endpoint";

  /// Who has answered: the entry of [#LB].
  static final String SERVED = "x-gateway-destination-endpoint-served";

  private static final String HINT = "envoy.lb.subset_hint";
  private static final String SUBSET = "x-gateway-destination-endpoint-subset";

  /// Fields that the parts of a gateway tell each other: a client's own are taken away.
  static final List<String> CONTROL =
      List.of(
          SUBSET,
          SERVED,
          "x-gateway-inference-objective",
          "x-gateway-inference-fairness-id",
          "x-gateway-model-name-rewrite",
          "x-prefiller-host-port",
          "x-encoder-hosts-ports",
          "x-data-parallel-host-port",
          "x-llm-d-request-dropped-reason");

  private static final String DETAILS = "response.code_details";
  private static final String UPSTREAM = "upstream.address";
  private static final String BY_UPSTREAM = "via_upstream";

  private Gateway() {}

  /// The endpoints that one may be chosen of, a list or a text with commas; null for all.
  static @Nullable Set<String> subset(Metadata m) {
    Value v =
        m.getFilterMetadataOrDefault(HINT, Struct.getDefaultInstance()).getFieldsMap().get(SUBSET);
    if (v == null) {
      return null;
    }
    Set<String> out = new LinkedHashSet<>();
    List<Value> all = v.hasListValue() ? v.getListValue().getValuesList() : List.of(v);
    for (Value one : all) {
      for (String e : one.getStringValue().split(",")) {
        if (!e.isBlank()) {
          out.add(e.strip());
        }
      }
    }
    return out;
  }

  /// Which endpoint has answered: what the metadata says, else Envoy's own attribute, where it is
  /// configured; null when neither does.
  static @Nullable String served(Metadata m, Map<String, Struct> attributes) {
    Value v =
        m.getFilterMetadataOrDefault(LB, Struct.getDefaultInstance()).getFieldsMap().get(SERVED);
    String told = v == null ? "" : v.getStringValue().strip();
    return told.isEmpty() ? attribute(attributes, UPSTREAM) : told;
  }

  private static @Nullable String attribute(Map<String, Struct> attributes, String name) {
    for (Struct s : attributes.values()) {
      Value v = s.getFieldsMap().get(name);
      if (v != null && !v.getStringValue().isBlank()) {
        return v.getStringValue().strip();
      }
    }
    return null;
  }

  /// How the call failed for which Envoy answers itself, by its words (`response.code_details`,
  /// where that attribute is configured); null when an instance answers, or nothing is said.
  static @Nullable Failure ownAnswer(Map<String, Struct> attributes) {
    String d = attribute(attributes, DETAILS);
    if (d == null || d.equals(BY_UPSTREAM)) {
      return null;
    }
    String words = d.toLowerCase(Locale.ROOT);
    Failure.Kind kind =
        words.contains("connection_failure") || words.contains("connect_error")
            ? Failure.Kind.CONNECT_REFUSED
            : words.contains("connection_timeout")
                ? Failure.Kind.CONNECT_TIMEOUT
                : words.contains("timeout")
                    ? Failure.Kind.TIMEOUT_FIRST_BYTE
                    : words.contains("upstream_reset")
                        ? Failure.Kind.CLOSED_BEFORE_ANSWER
                        : Failure.Kind.LOCAL;
    return new Failure(kind, d);
  }
}
