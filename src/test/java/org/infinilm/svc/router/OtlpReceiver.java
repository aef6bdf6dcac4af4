package org.infinilm.svc.router;

import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.proto.collector.trace.v1.ExportTracePartialSuccess;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceResponse;
import io.opentelemetry.proto.common.v1.AnyValue;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.Span;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// A receiver of traces: the published protobuf over HTTP.
final class OtlpReceiver implements AutoCloseable {
  private final HttpServer server;

  /// All that came.
  final List<Span> spans = new CopyOnWriteArrayList<>();

  final List<ResourceSpans> resources = new CopyOnWriteArrayList<>();
  final AtomicInteger asked = new AtomicInteger();

  /// Its answers' status.
  volatile int status = 200;

  /// Spans of each message that it says it did not take.
  volatile long rejected;

  /// Of the last message.
  volatile Map<String, List<String>> headers = Map.of();

  OtlpReceiver() throws IOException {
    this(0);
  }

  OtlpReceiver(int port) throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.createContext(
        "/v1/traces",
        x -> {
          ExportTraceServiceRequest r = ExportTraceServiceRequest.parseFrom(x.getRequestBody());
          asked.incrementAndGet();
          headers = Map.copyOf(x.getRequestHeaders());
          if (status == 200) {
            for (ResourceSpans of : r.getResourceSpansList()) {
              resources.add(of);
              of.getScopeSpansList().forEach(s -> spans.addAll(s.getSpansList()));
            }
          }
          byte[] body = rejected == 0 ? new byte[0] : partial(rejected);
          x.getResponseHeaders().set("Content-Type", "application/x-protobuf");
          x.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
          x.getResponseBody().write(body);
          x.close();
        });
    server.start();
  }

  private static byte[] partial(long rejected) {
    return ExportTraceServiceResponse.newBuilder()
        .setPartialSuccess(
            ExportTracePartialSuccess.newBuilder()
                .setRejectedSpans(rejected)
                .setErrorMessage("too old"))
        .build()
        .toByteArray();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  int port() {
    return server.getAddress().getPort();
  }

  /// The spans of the request of this id, in the order of their beginnings, its own first.
  List<Span> of(String requestId) {
    return await()
        .atMost(Rig.SOON)
        .until(
            () -> {
              Span root =
                  spans.stream()
                      .filter(s ->
                          attributes(s).getOrDefault("infini.request_id", "").equals(requestId))
                      .findFirst()
                      .orElse(null);
              return root == null
                  ? List.<Span>of()
                  : spans.stream()
                      .filter(s -> s.getTraceId().equals(root.getTraceId()))
                      .sorted((a, b) -> a == root ? -1 : b == root ? 1 : order(a, b))
                      .toList();
            },
            found -> !found.isEmpty());
  }

  private static int order(Span a, Span b) {
    return Long.compare(a.getStartTimeUnixNano(), b.getStartTimeUnixNano());
  }

  /// As texts.
  static Map<String, String> attributes(Span s) {
    return attributes(s.getAttributesList());
  }

  static Map<String, String> attributes(List<KeyValue> of) {
    Map<String, String> out = new TreeMap<>();
    for (KeyValue a : of) {
      AnyValue v = a.getValue();
      out.put(
          a.getKey(),
          switch (v.getValueCase()) {
            case STRING_VALUE -> v.getStringValue();
            case INT_VALUE -> Long.toString(v.getIntValue());
            case DOUBLE_VALUE -> Double.toString(v.getDoubleValue());
            case BOOL_VALUE -> Boolean.toString(v.getBoolValue());
            default -> v.toString();
          });
    }
    return out;
  }

  static String hex(com.google.protobuf.ByteString id) {
    return HexFormat.of().formatHex(id.toByteArray());
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
