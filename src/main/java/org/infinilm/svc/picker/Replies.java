package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.HeaderMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.HeadersResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ImmediateResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.StreamedBodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.TrailersResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Response;

/// The messages that go to Envoy. Stateless.
final class Replies {
  /// Bytes of a body that one message carries: Envoy's implementations take 64 KiB.
  static final int MOST_CHUNK_BYTES = 62_000;

  /// What Envoy writes into an answer of its own.
  private static final Set<String> FRAMING = Set.of("content-length", "transfer-encoding", "date");

  static final ProcessingResponse REQUEST_TRAILERS =
      ProcessingResponse.newBuilder()
          .setRequestTrailers(TrailersResponse.getDefaultInstance())
          .build();
  static final ProcessingResponse RESPONSE_TRAILERS =
      ProcessingResponse.newBuilder()
          .setResponseTrailers(TrailersResponse.getDefaultInstance())
          .build();
  static final ProcessingResponse SAME_RESPONSE_HEADERS =
      ProcessingResponse.newBuilder()
          .setResponseHeaders(HeadersResponse.getDefaultInstance())
          .build();
  private static final ProcessingResponse SAME_RESPONSE_BODY =
      ProcessingResponse.newBuilder().setResponseBody(BodyResponse.getDefaultInstance()).build();

  private Replies() {}

  /// Sends a request on.
  ///
  /// @param endpoints whom to ask, in this order, with commas between
  /// @param set fields that replace the client's
  /// @param removed names of fields that do not go on
  static ProcessingResponse destination(String endpoints, List<Header> set, List<String> removed) {
    HeaderMutation.Builder m = mutation(set, removed);
    m.addSetHeaders(option(Gateway.DESTINATION, endpoints));
    return ProcessingResponse.newBuilder()
        .setRequestHeaders(
            HeadersResponse.newBuilder()
                .setResponse(
                    CommonResponse.newBuilder().setHeaderMutation(m).setClearRouteCache(true)))
        .setDynamicMetadata(
            Struct.newBuilder()
                .putFields(
                    Gateway.LB,
                    Value.newBuilder()
                        .setStructValue(
                            Struct.newBuilder()
                                .putFields(
                                    Gateway.DESTINATION,
                                    Value.newBuilder().setStringValue(endpoints).build()))
                        .build()))
        .build();
  }

  /// Lets an answer's head pass, changed so.
  static ProcessingResponse responseHeaders(List<Header> set, List<String> removed) {
    return ProcessingResponse.newBuilder()
        .setResponseHeaders(
            HeadersResponse.newBuilder()
                .setResponse(CommonResponse.newBuilder().setHeaderMutation(mutation(set, removed))))
        .build();
  }

  private static HeaderMutation.Builder mutation(List<Header> set, List<String> removed) {
    HeaderMutation.Builder m = HeaderMutation.newBuilder();
    for (Header h : set) {
      m.addSetHeaders(option(h.name(), h.value()));
    }
    return m.addAllRemoveHeaders(removed);
  }

  private static HeaderValueOption option(String name, String value) {
    return HeaderValueOption.newBuilder()
        .setHeader(
            HeaderValue.newBuilder()
                .setKey(name)
                .setRawValue(ByteString.copyFrom(value, ISO_8859_1)))
        .setAppendAction(HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
        .build();
  }

  /// A body of the full-duplex mode, in pieces; at least one where it ends.
  static List<ProcessingResponse> pieces(ByteString body, boolean ofRequest, boolean ends) {
    List<ProcessingResponse> out = new ArrayList<>(1 + body.size() / MOST_CHUNK_BYTES);
    for (int at = 0; at < body.size() || (at == 0 && ends); at += MOST_CHUNK_BYTES) {
      int to = Math.min(body.size(), at + MOST_CHUNK_BYTES);
      BodyResponse b =
          body(
              BodyMutation.newBuilder()
                  .setStreamedResponse(
                      StreamedBodyResponse.newBuilder()
                          .setBody(body.substring(at, to))
                          .setEndOfStream(ends && to == body.size())));
      ProcessingResponse.Builder r = ProcessingResponse.newBuilder();
      out.add((ofRequest ? r.setRequestBody(b) : r.setResponseBody(b)).build());
    }
    return out;
  }

  /// The one reply to a piece of an answer's body in the other modes.
  static ProcessingResponse responseBody(ByteString came, ByteString goes) {
    return goes.equals(came)
        ? SAME_RESPONSE_BODY
        : ProcessingResponse.newBuilder()
            .setResponseBody(body(BodyMutation.newBuilder().setBody(goes)))
            .build();
  }

  private static BodyResponse body(BodyMutation.Builder m) {
    return BodyResponse.newBuilder()
        .setResponse(CommonResponse.newBuilder().setBodyMutation(m))
        .build();
  }

  /// An answer of ours.
  static ProcessingResponse immediate(Response r) {
    List<Header> set = new ArrayList<>();
    for (Header h : r.headers().fields()) {
      if (!FRAMING.contains(h.name())) {
        set.add(h);
      }
    }
    return ProcessingResponse.newBuilder()
        .setImmediateResponse(
            ImmediateResponse.newBuilder()
                .setStatus(HttpStatus.newBuilder().setCodeValue(r.status()))
                .setHeaders(mutation(set, List.of()))
                .setBody(ByteString.copyFrom(r.body()))
                .setDetails("infini_picker"))
        .build();
  }
}
