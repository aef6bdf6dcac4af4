package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpTrailers;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProtocolConfiguration;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/// Envoy's side of one stream: what it sends, and what has come back.
final class Stage
    implements ClientResponseObserver<ProcessingRequest, ProcessingResponse>, AutoCloseable {
  static final Duration SOON = Duration.ofSeconds(30);

  final List<ProcessingResponse> came = new CopyOnWriteArrayList<>();
  private final CountDownLatch over = new CountDownLatch(1);
  private ClientCallStreamObserver<ProcessingRequest> to;
  private boolean first = true;
  private volatile @Nullable Status status;

  /// Response body mode of the first message.
  BodySendMode answers = BodySendMode.FULL_DUPLEX_STREAMED;

  BodySendMode requests = BodySendMode.FULL_DUPLEX_STREAMED;

  static Stage open(ManagedChannel channel) {
    Stage s = new Stage();
    ClientCalls.asyncBidiStreamingCall(channel.newCall(PROCESS, CallOptions.DEFAULT), s);
    return s;
  }

  /// Stands for bytes that are no message.
  private static final ProcessingRequest GARBAGE = ProcessingRequest.newBuilder().build();

  private static final MethodDescriptor<ProcessingRequest, ProcessingResponse> PROCESS =
      ExternalProcessorGrpc.getProcessMethod().toBuilder(
              new MethodDescriptor.Marshaller<ProcessingRequest>() {
                @Override
                @SuppressWarnings("ReferenceEquality") // it is this one that is meant
                public InputStream stream(ProcessingRequest m) {
                  byte[] bytes = m == GARBAGE ? new byte[] {-1, -1, -1} : m.toByteArray();
                  return new ByteArrayInputStream(bytes);
                }

                @Override
                public ProcessingRequest parse(InputStream s) {
                  throw new UnsupportedOperationException();
                }
              },
              ExternalProcessorGrpc.getProcessMethod().getResponseMarshaller())
          .build();

  Stage garbage() {
    to.onNext(GARBAGE);
    return this;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<ProcessingRequest> stream) {
    to = stream;
  }

  @Override
  public void onNext(ProcessingResponse r) {
    came.add(r);
  }

  @Override
  public void onError(Throwable t) {
    status = Status.fromThrowable(t);
    over.countDown();
  }

  @Override
  public void onCompleted() {
    status = Status.OK;
    over.countDown();
  }

  Stage send(ProcessingRequest.Builder m) {
    if (first) {
      first = false;
      m.setProtocolConfig(
          ProtocolConfiguration.newBuilder()
              .setRequestBodyMode(requests)
              .setResponseBodyMode(answers));
    }
    to.onNext(m.build());
    return this;
  }

  Stage post(String path, String... fields) {
    List<String> all =
        new ArrayList<>(List.of(":method", "POST", ":path", path, ":authority", "a"));
    all.addAll(List.of(fields));
    return send(ProcessingRequest.newBuilder().setRequestHeaders(headers(false, all)));
  }

  Stage get(String path) {
    return send(
        ProcessingRequest.newBuilder()
            .setRequestHeaders(headers(true, List.of(":method", "GET", ":path", path))));
  }

  /// A request's head of these fields alone.
  Stage head(boolean ends, String... fields) {
    return send(ProcessingRequest.newBuilder().setRequestHeaders(headers(ends, List.of(fields))));
  }

  Stage body(String text, boolean ends) {
    return body(ByteString.copyFrom(text, UTF_8), ends);
  }

  Stage body(ByteString bytes, boolean ends) {
    return send(
        ProcessingRequest.newBuilder()
            .setRequestBody(HttpBody.newBuilder().setBody(bytes).setEndOfStream(ends)));
  }

  Stage requestTrailers() {
    return send(
        ProcessingRequest.newBuilder().setRequestTrailers(HttpTrailers.getDefaultInstance()));
  }

  Stage answer(int status, boolean ends, String... fields) {
    return answer(Metadata.getDefaultInstance(), Struct.getDefaultInstance(), status, ends, fields);
  }

  /// An answer's head that comes from an endpoint, as the gateway says.
  Stage answerOf(String endpoint, int status, String... fields) {
    Metadata m =
        Metadata.newBuilder()
            .putFilterMetadata("envoy.lb", text("x-gateway-destination-endpoint-served", endpoint))
            .build();
    return answer(m, Struct.getDefaultInstance(), status, false, fields);
  }

  /// An answer of Envoy's own.
  Stage ownAnswer(int status, String details) {
    return answer(
        Metadata.getDefaultInstance(), text("response.code_details", details), status, false);
  }

  private Stage answer(
      Metadata metadata, Struct attributes, int status, boolean ends, String... fields) {
    List<String> all = new ArrayList<>(List.of(":status", Integer.toString(status)));
    all.addAll(List.of(fields));
    return send(
        ProcessingRequest.newBuilder()
            .setResponseHeaders(headers(ends, all))
            .setMetadataContext(metadata)
            .putAttributes("envoy.filters.http.ext_proc", attributes));
  }

  Stage answerBody(String text, boolean ends) {
    return send(
        ProcessingRequest.newBuilder()
            .setResponseBody(
                HttpBody.newBuilder()
                    .setBody(ByteString.copyFrom(text, UTF_8))
                    .setEndOfStream(ends)));
  }

  Stage answerTrailers() {
    return send(
        ProcessingRequest.newBuilder().setResponseTrailers(HttpTrailers.getDefaultInstance()));
  }

  /// Envoy has no more to say.
  void leaves() {
    to.onCompleted();
  }

  /// Envoy resets the stream.
  void resets() {
    to.cancel("reset", null);
  }

  static Struct text(String key, String value) {
    return Struct.newBuilder()
        .putFields(key, Value.newBuilder().setStringValue(value).build())
        .build();
  }

  private static HttpHeaders headers(boolean ends, List<String> fields) {
    HeaderMap.Builder m = HeaderMap.newBuilder();
    for (int k = 0; k < fields.size(); k += 2) {
      m.addHeaders(
          HeaderValue.newBuilder()
              .setKey(fields.get(k))
              .setRawValue(ByteString.copyFrom(fields.get(k + 1), UTF_8)));
    }
    return HttpHeaders.newBuilder().setHeaders(m).setEndOfStream(ends).build();
  }

  /// The n-th reply (from 0), once it has come.
  ProcessingResponse reply(int n) {
    await().atMost(SOON).until(() -> came.size() > n);
    return came.get(n);
  }

  /// Waits until so many replies have come.
  Stage replies(int n) {
    await().atMost(SOON).until(() -> came.size() >= n);
    return this;
  }

  /// How the stream ended, once it has.
  Status end() {
    await().atMost(SOON).until(() -> over.getCount() == 0);
    Status s = status;
    return s == null ? Status.UNKNOWN : s;
  }

  boolean isOver() {
    return over.getCount() == 0;
  }

  /// The destination of a reply to a request's head: its field's value.
  static String destination(ProcessingResponse r) {
    return r.getRequestHeaders().getResponse().getHeaderMutation().getSetHeadersList().stream()
        .filter(h -> h.getHeader().getKey().equals("x-gateway-destination-endpoint"))
        .map(h -> h.getHeader().getRawValue().toStringUtf8())
        .findFirst()
        .orElse("");
  }

  /// The same of its metadata.
  static String metadataDestination(ProcessingResponse r) {
    return r.getDynamicMetadata()
        .getFieldsOrThrow("envoy.lb")
        .getStructValue()
        .getFieldsOrThrow("x-gateway-destination-endpoint")
        .getStringValue();
  }

  @Override
  public void close() {
    to.cancel("the test ends", null);
  }
}
