package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;

/// Writes down what a call tells, and on which thread.
class Heard implements UpstreamEvents {
  final List<String> events = new ArrayList<>();
  final List<Thread> threads = new ArrayList<>();
  Failure failure = new Failure(Failure.Kind.LOCAL, "none");

  private synchronized void add(String e) {
    events.add(e);
    threads.add(Thread.currentThread());
  }

  synchronized int size() {
    return events.size();
  }

  @Override
  public void interim(ResponseHead head) {
    add("interim " + head.status());
  }

  @Override
  public void answered(ResponseHead head) {
    add("answered " + head.status());
  }

  @Override
  public void body(ByteBuf slice) {
    add("body " + slice.toString(ISO_8859_1));
    slice.release();
  }

  @Override
  public void pause() {}

  @Override
  public void ended(boolean byClose) {
    add(byClose ? "ended by close" : "ended");
  }

  @Override
  public void failed(Failure f) {
    failure = f;
    add("failed " + f.kind());
  }
}
