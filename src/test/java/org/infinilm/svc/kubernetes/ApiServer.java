package org.infinilm.svc.kubernetes;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.fabric8.kubernetes.api.model.ListMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodListBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Writer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// As much of an API server as lists and watches pods over HTTP, and does what real ones do when
/// things go wrong: forgets, is cut off, says nothing, repeats itself, is away.
public final class ApiServer implements AutoCloseable {
  private record Stream(Socket socket, OutputStream out) {}

  private final KubernetesSerialization json = new KubernetesSerialization();
  private final Map<String, Pod> pods = new TreeMap<>();
  private final List<Stream> streams = new CopyOnWriteArrayList<>();
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private final List<String> asked = new CopyOnWriteArrayList<>();
  private final List<String> credentials = new CopyOnWriteArrayList<>();
  private final int port;
  private volatile ServerSocket server;
  private long version = 1000;
  private long oldest;
  private volatile boolean stalls;
  private volatile int refuses;
  private volatile boolean refusesWatches;
  private volatile boolean listsNothing;
  private volatile @Nullable String refusedNamespace;
  private volatile boolean goneAsStatus;
  private volatile @Nullable String lists;
  private volatile boolean stopsInLists;
  private final AtomicInteger forgottenLists = new AtomicInteger();

  public ApiServer() throws IOException {
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    port = server.getLocalPort();
    accept();
  }

  private void accept() {
    ServerSocket s = server;
    Thread.ofVirtual()
        .start(() -> {
          while (true) {
            try {
              Socket c = s.accept();
              sockets.add(c);
              Thread.ofVirtual().start(() -> serve(c));
            } catch (IOException closed) {
              return;
            }
          }
        });
  }

  public String url() {
    return "http://127.0.0.1:" + port;
  }

  /// Puts a pod there at a new version, and tells it to watches.
  public synchronized void put(Pod p) throws IOException {
    String name = p.getMetadata().getName();
    Pod now = at(p, ++version);
    String type = pods.put(name, now) == null ? "ADDED" : "MODIFIED";
    say(type, now);
  }

  public synchronized void remove(String name) throws IOException {
    Pod gone = pods.remove(name);
    say("DELETED", at(gone, ++version));
  }

  /// Says something to watches, as it is, and keeps nothing of it.
  synchronized void say(String type, Object what) throws IOException {
    if (!stalls) {
      for (Stream s : streams) {
        event(s, type, what);
      }
    }
  }

  private static Pod at(Pod p, long v) {
    return new PodBuilder(p)
        .editMetadata()
        .withResourceVersion(String.valueOf(v))
        .endMetadata()
        .build();
  }

  synchronized long version() {
    return version;
  }

  /// Cuts all watches off.
  public void cut() throws IOException {
    for (Stream s : streams) {
      s.socket().close();
    }
    streams.clear();
  }

  /// Ends all watches, as it does after a while.
  void end() throws IOException {
    for (Stream s : streams) {
      s.out().write("0\r\n\r\n".getBytes(UTF_8));
      s.out().flush();
      s.socket().close();
    }
    streams.clear();
  }

  /// Watches hear nothing, and stay open.
  void stalls(boolean on) {
    stalls = on;
  }

  /// Changes of pods.
  interface Changes {
    void make() throws IOException;
  }

  /// Cuts all watches off, changes pods and knows nothing any more of what was before, all before a
  /// watch that comes anew is answered.
  synchronized void missedAndForgotten(boolean asStatus, Changes changes) throws IOException {
    cut();
    changes.make();
    oldest = version;
    goneAsStatus = asStatus;
  }

  /// It knows nothing any more where a watch is to begin, whatever it has listed.
  synchronized void forgetsAlways(boolean on) {
    oldest = on ? Long.MAX_VALUE : 0;
    goneAsStatus = true;
  }

  /// The next lists are answered by 410, as those that go on too late.
  void forgetsLists(int next) {
    forgottenLists.set(next);
  }

  /// The status of all answers, or 0.
  public void refuses(int status) {
    refuses = status;
  }

  /// A namespace that nobody may read, or null.
  void refusesNamespace(@Nullable String name) {
    refusedNamespace = name;
  }

  /// Lists are of nothing, whatever there is.
  void listsNothing(boolean on) {
    listsNothing = on;
  }

  /// Lists are answered by this, with status 200, as by somebody before the server; null for what
  /// there is.
  void listsAre(@Nullable String body) {
    lists = body;
  }

  /// Lists stop in their middle, and their connections stay open, as when its machine is gone.
  void stopsInLists(boolean on) {
    stopsInLists = on;
  }

  void refusesWatches(boolean on) {
    refusesWatches = on;
  }

  public void away() throws IOException {
    server.close();
    for (Socket s : sockets) {
      s.close();
    }
    streams.clear();
  }

  public void back() throws IOException {
    ServerSocket s = new ServerSocket();
    s.setReuseAddress(true);
    s.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    server = s;
    accept();
  }

  /// Targets so far, lists or watches.
  List<String> lists() {
    return asked.stream().filter(a -> !a.contains("watch=true")).toList();
  }

  List<String> watches() {
    return asked.stream().filter(a -> a.contains("watch=true")).toList();
  }

  /// Of the requests that had any.
  List<String> credentials() {
    return List.copyOf(credentials);
  }

  private void serve(Socket c) {
    try (c) {
      BufferedReader in = new BufferedReader(new InputStreamReader(c.getInputStream(), UTF_8));
      OutputStream out = c.getOutputStream();
      String line = in.readLine();
      while (line != null) {
        String target = line.split(" ")[1];
        String field = in.readLine();
        while (!field.isEmpty()) {
          // no body comes with these
          if (field.toLowerCase(Locale.ROOT).startsWith("authorization: ")) {
            credentials.add(field.substring("authorization: ".length()));
          }
          field = in.readLine();
        }
        asked.add(target);
        if (!answer(c, out, target)) {
          // the client ends it, or this side does
          in.transferTo(Writer.nullWriter());
          return;
        }
        line = in.readLine();
      }
    } catch (IOException e) {
      // the other side has gone
    } finally {
      sockets.remove(c);
    }
  }

  /// @return whether another request may follow
  private boolean answer(Socket c, OutputStream out, String target) throws IOException {
    boolean watch = target.contains("watch=true");
    String refused = refusedNamespace;
    if (refuses == 0 && refused != null && target.contains("/namespaces/" + refused + "/")) {
      return whole(out, 403, status(403, "pods of " + refused + " is forbidden"));
    }
    if (refuses != 0 || (watch && refusesWatches)) {
      return whole(
          out,
          refuses == 0 ? 403 : refuses,
          status(refuses == 0 ? 403 : refuses, "pods is forbidden"));
    }
    if (!watch && forgottenLists.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
      return whole(out, 410, status(410, "the continue token is too old"));
    }
    if (!watch && stopsInLists) {
      out.write(
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"kind\":"
              .getBytes(UTF_8));
      out.flush();
      return false;
    }
    String instead = lists;
    if (!watch && instead != null) {
      return whole(out, 200, instead);
    }
    if (!watch) {
      List<Pod> all = new ArrayList<>();
      long at;
      synchronized (this) {
        if (!listsNothing) {
          all.addAll(pods.values());
        }
        at = version;
      }
      return whole(
          out,
          200,
          json.asJson(
              new PodListBuilder()
                  .withMetadata(
                      new ListMetaBuilder().withResourceVersion(String.valueOf(at)).build())
                  .withItems(all)
                  .build()));
    }
    long from = Long.parseLong(target.replaceAll(".*resourceVersion=([0-9]+).*", "$1"));
    synchronized (this) {
      boolean gone = from < oldest;
      if (gone && goneAsStatus) {
        return whole(out, 410, status(410, "too old resource version"));
      }
      out.write(
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
              .getBytes(UTF_8));
      out.flush();
      Stream s = new Stream(c, out);
      if (gone) {
        event(s, "ERROR", json.unmarshal(status(410, "too old resource version"), Object.class));
        out.write("0\r\n\r\n".getBytes(UTF_8));
        out.flush();
        return true;
      }
      if (target.contains("timeoutSeconds=1&")) {
        // one that only asks whether it may
        out.write("0\r\n\r\n".getBytes(UTF_8));
        out.flush();
        return true;
      }
      for (Pod p : pods.values()) {
        if (PodReader.version(p.getMetadata().getResourceVersion()) > from && !stalls) {
          event(s, "MODIFIED", p);
        }
      }
      streams.add(s);
    }
    return false;
  }

  private static String status(int code, String message) {
    return "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\""
        + message
        + "\",\"reason\":\"Expired\",\"code\":"
        + code
        + "}";
  }

  private static boolean whole(OutputStream out, int status, String body) throws IOException {
    byte[] b = body.getBytes(UTF_8);
    out.write(
        ("HTTP/1.1 "
                + status
                + " X\r\nContent-Type: application/json\r\nContent-Length: "
                + b.length
                + "\r\n\r\n")
            .getBytes(UTF_8));
    out.write(b);
    out.flush();
    return true;
  }

  private void event(Stream s, String type, Object what) throws IOException {
    byte[] b =
        ("{\"type\":\"" + type + "\",\"object\":" + json.asJson(what) + "}\n").getBytes(UTF_8);
    try {
      s.out().write((Integer.toHexString(b.length) + "\r\n").getBytes(UTF_8));
      s.out().write(b);
      s.out().write("\r\n".getBytes(UTF_8));
      s.out().flush();
    } catch (IOException gone) {
      streams.remove(s);
    }
  }

  @Override
  public void close() throws IOException {
    away();
  }
}
