package org.infinilm.svc.picker;

import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.BindableService;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.EventExecutor;
import java.io.InputStream;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Arrival;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.router.Carried;
import org.jspecify.annotations.Nullable;

/// `envoy.service.ext_proc.v3.ExternalProcessor`: a [Processing] for each stream, on the event loop
/// that its connection has. Thread-safe.
final class ExtProc implements BindableService {
  /// Who is asked.
  interface Chooser {
    /// Takes over a request, on its event loop.
    void choose(Carried request);

    /// Whether a request is for a route of our own, which needs no body; on any thread.
    boolean owns(RequestHead asked);

    /// The answer to a request whose body need not come, or null to have it come; on any thread.
    @Nullable Response unwelcome(RequestHead asked);

    /// The answer to one that cannot be chosen for; on any thread.
    Response refusal(int status, String why, RequestHead asked);

    /// How long a request that comes now may wait until it is chosen for.
    Duration queueTimeout();
  }

  private final Chooser chooser;
  private final EventLoopGroup loops;
  private final Map<EventExecutor, Beat> beats = new HashMap<>();
  private final Memory memory;
  private final int fallbacks;
  private final Set<Processing> streams = ConcurrentHashMap.newKeySet();

  /// @param fallbacks endpoints that are told beside the chosen one
  ExtProc(Chooser chooser, EventLoopGroup loops, Memory memory, int fallbacks) {
    this.chooser = chooser;
    this.loops = loops;
    loops.forEach(l -> beats.put(l, new Beat()));
    this.memory = memory;
    this.fallbacks = fallbacks;
  }

  /// A message that is none is one that asks for nothing, so that its stream is refused by us: gRPC
  /// would end the call alone.
  @Override
  public ServerServiceDefinition bindService() {
    MethodDescriptor<ProcessingRequest, ProcessingResponse> known =
        ExternalProcessorGrpc.getProcessMethod();
    MethodDescriptor<ProcessingRequest, ProcessingResponse> process =
        known.toBuilder(new Lenient(known.getRequestMarshaller()), known.getResponseMarshaller())
            .build();
    ServiceDescriptor service =
        ServiceDescriptor.newBuilder(ExternalProcessorGrpc.SERVICE_NAME)
            .setSchemaDescriptor(ExternalProcessorGrpc.getServiceDescriptor().getSchemaDescriptor())
            .addMethod(process)
            .build();
    return ServerServiceDefinition.builder(service)
        .addMethod(process, ServerCalls.asyncBidiStreamingCall(this::process))
        .build();
  }

  private record Lenient(MethodDescriptor.Marshaller<ProcessingRequest> strict)
      implements MethodDescriptor.Marshaller<ProcessingRequest> {
    @Override
    public InputStream stream(ProcessingRequest value) {
      return strict.stream(value);
    }

    @Override
    public ProcessingRequest parse(InputStream stream) {
      try {
        return strict.parse(stream);
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() != Status.Code.INTERNAL) {
          throw e; // one that is too large when it is unpacked, for example
        }
        return ProcessingRequest.getDefaultInstance();
      }
    }
  }

  private StreamObserver<ProcessingRequest> process(StreamObserver<ProcessingResponse> to) {
    Processing p = new Processing(this, loop(), (ServerCallStreamObserver<ProcessingResponse>) to);
    streams.add(p);
    return p;
  }

  /// The calling thread's, where it is one of these.
  private EventLoop loop() {
    for (EventExecutor e : loops) {
      if (e.inEventLoop() && e instanceof EventLoop l) {
        return l;
      }
    }
    return loops.next();
  }

  /// Has the time limits of all streams run; once.
  void startTime() {
    beats.forEach((loop, beat) ->
        loop.scheduleWithFixedDelay(
            beat, Arrival.TICK_MILLIS, Arrival.TICK_MILLIS, TimeUnit.MILLISECONDS));
  }

  /// The ticks of one of the loops.
  Beat beat(EventExecutor loop) {
    Beat b = beats.get(loop);
    if (b == null) {
      throw new IllegalArgumentException(loop + " (expected: one of the picker's event loops)");
    }
    return b;
  }

  Chooser chooser() {
    return chooser;
  }

  int fallbacks() {
    return fallbacks;
  }

  Memory memory() {
    return memory;
  }

  void ended(Processing p) {
    streams.remove(p);
  }

  /// Requests that are under way.
  int underWay() {
    return streams.size();
  }

  /// Ends what is under way.
  void cut() {
    streams.forEach(Processing::cut);
  }
}
