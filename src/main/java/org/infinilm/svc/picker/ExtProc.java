package org.infinilm.svc.picker;

import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.EventExecutor;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.router.Carried;

/// `envoy.service.ext_proc.v3.ExternalProcessor`: a [Processing] for each stream, on the event loop
/// that its connection has. Thread-safe.
final class ExtProc extends ExternalProcessorGrpc.ExternalProcessorImplBase {
  /// Who is asked.
  interface Chooser {
    /// Takes over a request, on its event loop.
    void choose(Carried request);

    /// The answer to one that cannot be chosen for; on any thread.
    Response refusal(int status, String why, RequestHead asked);
  }

  private final Chooser chooser;
  private final long mostBodyBytes;
  private final EventLoopGroup loops;
  private final Memory memory;
  private final int fallbacks;
  private final Set<Processing> streams = ConcurrentHashMap.newKeySet();

  /// @param fallbacks endpoints that are told beside the chosen one
  ExtProc(Chooser chooser, long mostBodyBytes, EventLoopGroup loops, Memory memory, int fallbacks) {
    this.chooser = chooser;
    this.mostBodyBytes = mostBodyBytes;
    this.loops = loops;
    this.memory = memory;
    this.fallbacks = fallbacks;
  }

  @Override
  public StreamObserver<ProcessingRequest> process(StreamObserver<ProcessingResponse> to) {
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

  void choose(Carried request) {
    chooser.choose(request);
  }

  Response refusal(int status, String why, RequestHead asked) {
    return chooser.refusal(status, why, asked);
  }

  long mostBodyBytes() {
    return mostBodyBytes;
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
