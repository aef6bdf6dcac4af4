package org.infinilm.svc.kubernetes;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.jdkhttp.JdkHttpClientFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.http.Faults;
import org.jspecify.annotations.Nullable;

/// Pods of a cluster, by a label selector. Address and credentials of the cluster are found as its
/// tools find them: the service account of the pod that this runs in, or a kubeconfig. The client
/// is loaded when the source begins. One thread for each namespace.
public final class KubernetesSource implements Source {
  /// An API server that says nothing for so long is asked for everything again.
  private static final Duration QUIET = Duration.ofMinutes(2);

  private static final Duration AGAIN = Duration.ofSeconds(10);
  private static final int CONNECT_MILLIS = 5000;
  private static final int REQUEST_MILLIS = 20_000;
  private static final int MOST_TROUBLES = 20;
  private static final String ALL = "*";

  private final SourceSpec.Kubernetes spec;
  private final Check check;
  private final Supplier<Config> cluster;
  private final Duration quiet;
  private final Thread thread;
  private final ReentrantLock lock = new ReentrantLock();
  private List<PodWatch> watches = List.of();
  private @Nullable KubernetesClient client;
  private @Nullable Listener listener;
  private boolean closed;

  private KubernetesSource(
      SourceSpec.Kubernetes spec, Check check, Supplier<Config> cluster, Duration quiet) {
    this.spec = spec;
    this.check = check;
    this.cluster = cluster;
    this.quiet = quiet;
    this.thread = Thread.ofVirtual().name(spec.text()).unstarted(this::open);
  }

  /// @param check refuses what a pod says of itself; the pod stays what it was then, or is none
  public static Source open(SourceSpec.Kubernetes spec, Check check) {
    return new KubernetesSource(spec, check, () -> watched(new ConfigBuilder()), QUIET);
  }

  /// The settings of a cluster with which it is followed. A connection for each watch, over
  /// HTTP/1.1: one that is cut takes no other with it. What is tried again is [PodWatch]'s to say.
  static Config watched(ConfigBuilder of) {
    return TokenFile.followed(
        of.withConnectionTimeout(CONNECT_MILLIS)
            .withRequestTimeout(REQUEST_MILLIS)
            .withRequestRetryBackoffLimit(0)
            .withWatchReconnectLimit(0)
            .withOnlyHttpWatches(true)
            .withHttp2Disable(true)
            .build());
  }

  /// The same against a cluster of tests.
  static Source open(SourceSpec.Kubernetes spec, Check check, Config cluster, Duration quiet) {
    return new KubernetesSource(spec, check, () -> cluster, quiet);
  }

  @Override
  public void start(Listener to) {
    listener = to;
    thread.start();
  }

  /// Begins with the namespaces; a cluster whose settings cannot be read is asked for again.
  private void open() {
    try {
      while (!connect()) {
        Thread.sleep(AGAIN);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean connect() {
    lock.lock();
    try {
      if (closed) {
        return true;
      }
      Config c = cluster.get();
      KubernetesClient opened =
          new KubernetesClientBuilder()
              .withConfig(c)
              .withHttpClientFactory(new JdkHttpClientFactory())
              .build();
      client = opened;
      List<@Nullable String> namespaces = new ArrayList<>();
      if (spec.namespaces().isEmpty()) {
        String own = c.getNamespace();
        namespaces.add(own == null || own.isEmpty() ? "default" : own);
      } else {
        spec.namespaces().forEach(n -> namespaces.add(n.equals(ALL) ? null : n));
      }
      boolean several = namespaces.size() > 1 || namespaces.contains(null);
      PodReader reader = new PodReader(several, check);
      watches =
          namespaces.stream()
              .map(n -> new PodWatch(opened, n, spec.selector(), reader, quiet, this::tell))
              .toList();
      watches.forEach(PodWatch::start);
      return true;
    } catch (RuntimeException | Error e) {
      Faults.note("opening the client of Kubernetes", e);
      Listener to = listener;
      if (to != null) {
        to.troubles(List.of("the cluster's settings cannot be used: " + e.getMessage()));
      }
      return false;
    } finally {
      lock.unlock();
    }
  }

  /// Tells what all namespaces list, once each has listed something or failed to: one that may not
  /// be read hides no other. On any of their threads.
  private void tell() {
    lock.lock();
    try {
      Listener to = listener;
      if (to == null || closed) {
        return;
      }
      List<Found> all = new ArrayList<>();
      List<String> troubles = new ArrayList<>();
      boolean heard = false;
      boolean pending = false;
      for (PodWatch w : watches) {
        heard |= w.isHeard();
        pending |= !w.isHeard() && w.troubles().isEmpty();
        all.addAll(w.found());
        troubles.addAll(w.troubles());
      }
      if (all.size() > MOST) {
        troubles.addFirst(
            all.size() + " pods (expected: at most " + MOST + "); the rest is left out");
        all = all.subList(0, MOST);
      }
      if (heard && !pending) {
        to.found(List.copyOf(all));
      }
      to.troubles(List.copyOf(troubles.subList(0, Math.min(MOST_TROUBLES, troubles.size()))));
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    thread.interrupt();
    lock.lock();
    try {
      closed = true;
      watches.forEach(PodWatch::close);
      KubernetesClient c = client;
      if (c != null) {
        c.close();
      }
    } finally {
      lock.unlock();
    }
  }
}
