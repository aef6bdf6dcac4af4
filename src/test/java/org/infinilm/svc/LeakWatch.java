package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.util.ResourceLeakDetector;
import io.netty.util.ResourceLeakDetectorFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Makes a leaked buffer a failed test: Netty's leak detector follows every buffer of the test run,
/// and after each class of the rooms that hold buffers what it found fails that class. JUnit finds
/// this extension by itself and makes it before any class of Netty's buffers is loaded.
public final class LeakWatch implements AfterAllCallback {
  private static final Set<String> WATCHED =
      Set.of("org.infinilm.svc.http", "org.infinilm.svc.router");
  private static final String CANARY = "canary ";
  private static final int MOST_ROUNDS = 200;

  private static final ConcurrentLinkedQueue<String> REPORTS = new ConcurrentLinkedQueue<>();
  private static final AtomicInteger CANARIES = new AtomicInteger();

  static {
    ResourceLeakDetectorFactory.setResourceLeakDetectorFactory(new Recording());
    ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.PARANOID);
  }

  @Override
  public void afterAll(ExtensionContext context) throws InterruptedException {
    Class<?> c = context.getRequiredTestClass();
    if (c.getEnclosingClass() == null && WATCHED.contains(c.getPackageName())) {
      assertThat(leaks()).as("buffers leaked by " + c.getSimpleName() + " or before it").isEmpty();
    }
  }

  /// What has leaked since the last call. A buffer of our own is leaked and waited for, so that
  /// what leaked before it has been seen too.
  static List<String> leaks() throws InterruptedException {
    String canary = CANARY + CANARIES.incrementAndGet();
    leak(canary);
    List<String> found = new ArrayList<>();
    for (int round = 0; round < MOST_ROUNDS; round++) {
      System.gc();
      Thread.sleep(10); // the collector's own thread hands over what it found
      UnpooledByteBufAllocator.DEFAULT.directBuffer(1).release(); // looks at what was handed over
      boolean seen = false;
      for (String r = REPORTS.poll(); r != null; r = REPORTS.poll()) {
        if (r.contains(canary)) {
          seen = true;
        } else if (!r.contains(CANARY)) {
          found.add(r);
        }
      }
      if (seen) {
        return found;
      }
    }
    throw new AssertionError("the leak detector does not see a leak");
  }

  /// Drops a buffer without releasing it.
  static void leak(String hint) {
    ByteBuf dropped = UnpooledByteBufAllocator.DEFAULT.directBuffer(1);
    dropped.touch(hint);
  }

  private static final class Recording extends ResourceLeakDetectorFactory {
    @Override
    @SuppressWarnings("deprecation") // the one that must be there
    public <T> ResourceLeakDetector<T> newResourceLeakDetector(
        Class<T> resource, int samplingInterval, long maxActive) {
      return new Recorder<>(resource, samplingInterval);
    }
  }

  private static final class Recorder<T> extends ResourceLeakDetector<T> {
    Recorder(Class<?> resource, int samplingInterval) {
      super(resource, samplingInterval);
    }

    @Override
    protected boolean needReport() {
      return true;
    }

    @Override
    protected void reportTracedLeak(String resourceType, String records) {
      REPORTS.add(resourceType + " " + records);
    }

    @Override
    protected void reportUntracedLeak(String resourceType) {
      REPORTS.add(resourceType);
    }
  }
}
