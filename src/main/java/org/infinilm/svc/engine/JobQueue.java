package org.infinilm.svc.engine;

import java.util.Iterator;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/// The requests that wait for a sequence, in the order of their arrival. Thread-safe; only the
/// engine's thread takes them.
final class JobQueue {
  private final LinkedBlockingQueue<Job> jobs;
  private final long mostNanos;

  /// @param most requests that may wait
  /// @param mostNanos how long one may wait
  JobQueue(int most, long mostNanos) {
    this.jobs = new LinkedBlockingQueue<>(most);
    this.mostNanos = mostNanos;
  }

  /// False when it is full.
  boolean offer(Job job) {
    return jobs.offer(job);
  }

  @Nullable Job head() {
    return jobs.peek();
  }

  @Nullable Job take() {
    return jobs.poll();
  }

  boolean remove(Job job) {
    return jobs.remove(job);
  }

  int size() {
    return jobs.size();
  }

  boolean expired(Job job, long nowNanos) {
    return nowNanos - job.arrivedNanos() > mostNanos;
  }

  /// Ends those whose clients have gone.
  void sweep() {
    for (Iterator<Job> i = jobs.iterator(); i.hasNext(); ) {
      Job j = i.next();
      if (j.cancelled()) {
        i.remove();
        j.breakOff(Job.Why.CANCELLED);
      }
    }
  }
}
