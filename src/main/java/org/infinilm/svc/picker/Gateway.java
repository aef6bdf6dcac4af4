package org.infinilm.svc.picker;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.IpText;
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

  /// The endpoints that one may be chosen of, a list or a text with commas, each in its one text;
  /// null for all.
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
          out.add(IpText.hostAndPort(e.strip()));
        }
      }
    }
    return out;
  }

  /// Which endpoint has answered, in its one text: what the metadata says, else Envoy's own
  /// attribute, where it is configured; null when neither does.
  static @Nullable String served(Metadata m, Map<String, Struct> attributes) {
    Value v =
        m.getFilterMetadataOrDefault(LB, Struct.getDefaultInstance()).getFieldsMap().get(SERVED);
    String told = v == null ? "" : v.getStringValue().strip();
    String by = told.isEmpty() ? attribute(attributes, UPSTREAM) : told;
    return by == null ? null : IpText.hostAndPort(by);
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

  /// Why a stream to an instance was reset: the reason, and behind it what its connection said. Of
  /// earlier versions with spaces and a comma.
  private static final Pattern RESET =
      Pattern.compile(
          "upstream_reset[a-z_]*(?:\\{([a-z0-9_ ]*)(?:[|,] ?(TLS[ _]error.*)|[|,].*)?\\})?",
          Pattern.CASE_INSENSITIVE);

  /// How the call failed for which Envoy answers itself, by its words (`response.code_details`,
  /// where that attribute is configured); null when an instance answers, or nothing is said.
  static @Nullable Failure ownAnswer(Map<String, Struct> attributes) {
    String d = attribute(attributes, DETAILS);
    if (d == null || d.equals(BY_UPSTREAM)) {
      return null;
    }
    Matcher m = RESET.matcher(d);
    if (!m.matches()) {
      return new Failure(kind(d.toLowerCase(Locale.ROOT)), d);
    }
    String tls = m.group(2);
    return tls == null
        ? new Failure(ofReset(m.group(1)), d)
        : new Failure(Failure.Kind.TLS_FAILED, tls);
  }

  /// Of Envoy 1.40: `ResponseCodeDetailValues` of envoy/stream_info/stream_info.h. Filters have
  /// words of their own.
  private static Failure.Kind kind(String words) {
    return switch (words) {
      case "overload", "drop_overload", "unconditional_drop_overload" -> Failure.Kind.PROXY_FULL;
      case "response_timeout",
          "upstream_per_try_timeout",
          "upstream_per_try_idle_timeout",
          "upstream_max_stream_duration_reached",
          "max_duration_timeout",
          "stream_idle_timeout" ->
          Failure.Kind.TIMEOUT_FIRST_BYTE;
      default -> Failure.Kind.PROXY_ANSWERED;
    };
  }

  /// The reasons of source/common/http/utility.cc.
  private static Failure.Kind ofReset(@Nullable String reason) {
    return switch (reason == null ? "" : reason.toLowerCase(Locale.ROOT).replace(' ', '_')) {
      case "overflow", "overload_manager_reset" -> Failure.Kind.PROXY_FULL;
      case "connection_failure", "local_connection_failure", "remote_connection_failure" ->
          Failure.Kind.CONNECT_REFUSED;
      case "connection_timeout" -> Failure.Kind.CONNECT_TIMEOUT;
      case "protocol_error" -> Failure.Kind.BAD_ANSWER;
      default -> Failure.Kind.CLOSED_BEFORE_ANSWER;
    };
  }
}
