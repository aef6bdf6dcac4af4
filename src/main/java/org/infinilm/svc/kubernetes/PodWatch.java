package org.infinilm.svc.kubernetes;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.fabric8.kubernetes.api.model.ListMeta;
import io.fabric8.kubernetes.api.model.ListOptions;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodList;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.dsl.PodResource;
import java.net.URLEncoder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.http.Faults;
import org.jspecify.annotations.Nullable;

/// Lists the pods of a namespace and follows what changes, on a thread of its own.
/*
 * A list, then a watch from the list's version on. A watch that ends, as each does after some minutes, is opened
 * anew where it has got to; when the API server has forgotten so far back (410 Gone), or it was quiet for too long
 * (a connection may be cut and nobody says so; a server that is well sends a bookmark each minute), all is listed
 * again. One that has forgotten what it is asked for anew is in trouble. An API server that is away changes nothing
 * of what was listed.
 */
final class PodWatch {
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  private static final Duration MOST_PAUSE = Duration.ofSeconds(30);
  private static final long PAGE = 500;
  private static final long WATCH_SECONDS = 300;
  private static final int FIRST_ERROR = 400;
  private static final int GONE = 410;

  private static final Set<String> LIST_KINDS = Set.of("PodList", "List");

  /// A watch that has not ended for so long is open.
  private static final Duration OPEN = Duration.ofSeconds(2);

  private static final int MOST_UNOPENED = 2;
  private static final int MOST_FORGOTTEN = 2;

  /// A list of nothing where there was something is asked for again after so long.
  private static final Duration DOUBT = Duration.ofSeconds(5);

  /// What a watch says.
  private sealed interface Event {
    record Changed(Watcher.Action action, @Nullable Pod pod) implements Event {}

    /// @param gone whether it cannot go on where it was
    record Ended(boolean gone, @Nullable WatcherException why) implements Event {}
  }

  private final KubernetesClient client;
  private final @Nullable String namespace;
  private final String selector;
  private final PodReader reader;
  private final Duration quiet;
  private final Runnable changed;
  private final Thread thread;
  private final PodTable table = new PodTable();
  private volatile boolean heard;
  private volatile boolean closed;
  private volatile List<Found> found = List.of();
  private volatile List<String> podTroubles = List.of();
  private volatile @Nullable String away;

  /// Where the watch has got to; null when all has to be listed.
  private @Nullable String version;

  private Duration pause = FIRST_PAUSE;

  /// Watches in a row that ended before they had said anything.
  private int unopened;

  /// Lists, and watches, in a row for which it had forgotten too much, since one was open.
  private int forgottenLists;

  private int forgottenWatches;

  /// Whether the last list was of nothing, and not believed.
  private boolean doubted;

  /// @param namespace null for all
  /// @param quiet how long a watch may say nothing
  /// @param changed hears that something else is found or wrong
  PodWatch(
      KubernetesClient client,
      @Nullable String namespace,
      String selector,
      PodReader reader,
      Duration quiet,
      Runnable changed) {
    this.client = client;
    this.namespace = namespace;
    this.selector = selector;
    this.reader = reader;
    this.quiet = quiet;
    this.changed = changed;
    this.thread =
        Thread.ofVirtual()
            .name("pods of " + (namespace == null ? "all" : namespace))
            .unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Whether it has listed something.
  boolean isHeard() {
    return heard;
  }

  List<Found> found() {
    return found;
  }

  List<String> troubles() {
    String a = away;
    List<String> out = new ArrayList<>(podTroubles);
    if (a != null) {
      out.addFirst(a);
    }
    return out;
  }

  private void run() {
    try {
      while (!closed) {
        try {
          follow();
        } catch (KubernetesClientException e) {
          failed(ApiTrouble.said(e, client.getMasterUrl()), e.getCode() == GONE);
        } catch (RuntimeException | Error e) {
          Faults.note("following pods", e);
          failed(String.valueOf(e), false);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// @param gone whether the API server is there and has only forgotten
  private void failed(String why, boolean gone) throws InterruptedException {
    version = null;
    if (gone && ++forgottenLists < MOST_FORGOTTEN) {
      Thread.sleep(pause);
      return;
    }
    away(why);
    Thread.sleep(pause);
    pause = pause.multipliedBy(2).compareTo(MOST_PAUSE) < 0 ? pause.multipliedBy(2) : MOST_PAUSE;
  }

  private FilterWatchListDeletable<Pod, PodList, PodResource> pods() {
    return namespace == null
        ? client.pods().inAnyNamespace().withLabelSelector(selector)
        : client.pods().inNamespace(namespace).withLabelSelector(selector);
  }

  private void away(String why) {
    away = "pods" + (namespace == null ? "" : " of " + namespace) + ": " + why;
    changed.run();
  }

  /// An answer that has to be there whole within the limit of a request: the client's own ends with
  /// its head, and a body that stops would be waited for for ever.
  private <T> T inTime(Callable<T> call) throws InterruptedException {
    FutureTask<T> answer = new FutureTask<>(call);
    Thread.ofVirtual().name(thread.getName() + ", a request").start(answer);
    try {
      return answer.get(client.getConfiguration().getRequestTimeout(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new KubernetesClientException("no answer in time", e);
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case RuntimeException why -> throw why;
        case Error why -> throw why;
        case null, default -> throw new KubernetesClientException("no answer", e);
      }
    } finally {
      answer.cancel(true);
    }
  }

  /// @return whether what is listed is believed
  private boolean list() throws InterruptedException {
    List<Read> all = new ArrayList<>();
    String next = null;
    ListMeta meta;
    do {
      ListOptions options = new ListOptionsBuilder().withLimit(PAGE).withContinue(next).build();
      PodList page = inTime(() -> pods().list(options));
      if (!isOfPods(page)) {
        throw new KubernetesClientException(ApiTrouble.NO_LIST);
      }
      page.getItems().forEach(p -> all.add(reader.read(p)));
      meta = page.getMetadata();
      next = meta.getContinue();
    } while (next != null && !next.isEmpty());
    // as a server may say that has lost its data, or is another one: each pod that ends is said by
    // itself
    boolean sudden = all.isEmpty() && !table.isEmpty();
    if (sudden && !doubted) {
      doubted = true;
      return false;
    }
    doubted = false;
    version = meta.getResourceVersion();
    table.list(all, PodReader.version(version));
    publish();
    return true;
  }

  /// Whether it is what was asked for. Somebody before the server may answer as well, a proxy or a
  /// page to log in at, and the client makes a list of nothing of any object.
  private static boolean isOfPods(@Nullable PodList page) {
    return page != null
        && LIST_KINDS.contains(page.getKind())
        && page.getMetadata() != null
        && page.getMetadata().getResourceVersion() != null
        && page.getItems() != null
        && page.getItems().stream()
            .allMatch(
                p -> p != null && p.getMetadata() != null && p.getMetadata().getName() != null);
  }

  private void publish() {
    found = table.found();
    podTroubles = table.troubles();
    heard = true;
    changed.run();
  }

  /// Lists where that is needed, and follows one watch to its end.
  private void follow() throws InterruptedException {
    if (version == null && !list()) {
      away("none is listed any more (asked again before that is believed)");
      Thread.sleep(DOUBT);
      return;
    }
    LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
    ListOptions from =
        new ListOptionsBuilder()
            .withResourceVersion(version)
            .withAllowWatchBookmarks(true)
            .withTimeoutSeconds(WATCH_SECONDS)
            .build();
    boolean open = false;
    Watch watch = pods().watch(from, new Hears(events));
    try {
      while (true) {
        Duration longest = open ? quiet : OPEN.compareTo(quiet) < 0 ? OPEN : quiet;
        Event e = events.poll(longest.toMillis(), TimeUnit.MILLISECONDS);
        if (e == null && open) {
          version = null;
          return;
        }
        if (!open && !(e instanceof Event.Ended)) {
          open = true;
          opened();
        }
        boolean news = false;
        Event.Ended end = null;
        for (Event next = e; next != null && end == null; next = events.poll()) {
          switch (next) {
            case Event.Changed c -> news |= apply(c);
            case Event.Ended ended -> end = ended;
          }
        }
        if (news) {
          publish();
        }
        if (end != null) {
          ended(end, open);
          return;
        }
      }
    } finally {
      watch.close();
    }
  }

  /// A watch has said something, or has not ended for a while.
  private void opened() {
    pause = FIRST_PAUSE;
    unopened = 0;
    forgottenLists = 0;
    forgottenWatches = 0;
    if (away != null) {
      away = null;
      changed.run();
    }
  }

  private void ended(Event.Ended e, boolean open) throws InterruptedException {
    if (e.gone()) {
      version = null;
    }
    if (!open && e.gone() && ++forgottenWatches >= MOST_FORGOTTEN) {
      failed("watches are refused: 410 Gone for what was just listed", false);
    } else if (!open && !e.gone() && ++unopened >= MOST_UNOPENED) {
      String refused = refusal();
      String why = e.why() == null ? "closed" : ApiTrouble.said(e.why(), client.getMasterUrl());
      failed(
          refused == null
              ? "watches end before they say anything: " + why
              : "watches are refused: " + refused,
          false);
    } else {
      // nobody's trouble yet; and not at once again
      Thread.sleep(pause);
    }
  }

  /// Why the API server refuses a watch, of which the client hands the end on alone; null when it
  /// refuses none now, or says nothing.
  private @Nullable String refusal() throws InterruptedException {
    String path =
        (namespace == null ? "/api/v1/pods" : "/api/v1/namespaces/" + namespace + "/pods")
            + "?watch=true&timeoutSeconds=1&labelSelector="
            + URLEncoder.encode(selector, UTF_8)
            + (version == null ? "" : "&resourceVersion=" + version);
    try {
      inTime(() -> client.raw(path));
      return null;
    } catch (KubernetesClientException e) {
      return e.getCode() < FIRST_ERROR || e.getCode() == GONE
          ? null
          : ApiTrouble.said(e, client.getMasterUrl());
    }
  }

  private boolean apply(Event.Changed c) {
    Pod pod = c.pod();
    if (pod == null || pod.getMetadata() == null) {
      return false;
    }
    String at = pod.getMetadata().getResourceVersion();
    if (at != null && PodReader.version(at) >= PodReader.version(version)) {
      version = at;
    }
    return switch (c.action()) {
      case ADDED, MODIFIED -> table.put(reader.read(pod));
      case DELETED -> table.remove(reader.read(pod));
      case BOOKMARK, ERROR -> false;
    };
  }

  /// Puts what a watch says in line; on threads of the client.
  private record Hears(LinkedBlockingQueue<Event> events) implements Watcher<Pod> {
    @Override
    public void eventReceived(Action action, Pod pod) {
      events.add(new Event.Changed(action, pod));
    }

    @Override
    public void onClose() {
      events.add(new Event.Ended(false, null));
    }

    @Override
    public void onClose(WatcherException e) {
      events.add(new Event.Ended(e.isHttpGone(), e));
    }
  }

  /// The client wraps an interruption into failures of its own.
  void close() {
    closed = true;
    thread.interrupt();
  }
}
