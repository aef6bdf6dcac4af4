package org.infinilm.svc.router;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// A registry of the original kind, without long polls, whose table and manners a test sets.
final class FakeRegistry implements AutoCloseable {
  private final List<Map<String, Object>> table = new CopyOnWriteArrayList<>();
  final AtomicInteger asked = new AtomicInteger();
  private final int port;
  private volatile ServerSocket server;
  private volatile int delayMillis;
  private volatile boolean flapping;
  private volatile @Nullable String another;

  FakeRegistry() throws IOException {
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    port = server.getLocalPort();
    accept(server);
  }

  URI url() {
    return URI.create("http://127.0.0.1:" + port);
  }

  /// The same entry with another word; it is healthy when that is "running".
  void status(String name, String status) {
    table.replaceAll(e -> {
      if (!name.equals(e.get("name"))) {
        return e;
      }
      Map<String, Object> now = new LinkedHashMap<>(e);
      now.put("status", status);
      now.put("is_healthy", status.equals("running"));
      return now;
    });
  }

  void add(String name, int instancePort, Map<String, Object> metadata) {
    Map<String, Object> all = new LinkedHashMap<>(metadata);
    all.put("type", "openai-api");
    all.putIfAbsent("models", List.of("m"));
    table.add(
        Map.of(
            "name",
            name,
            "host",
            "127.0.0.1",
            "port",
            instancePort,
            "hostname",
            "localhost",
            "url",
            "http://127.0.0.1:" + instancePort,
            "status",
            "running",
            "is_healthy",
            true,
            "metadata",
            all));
  }

  /// The same entry with something more in its metadata, or without it for null.
  void tells(String name, String key, @Nullable Object value) {
    table.replaceAll(e -> {
      if (!name.equals(e.get("name"))) {
        return e;
      }
      Map<String, Object> now = new LinkedHashMap<>(e);
      Map<String, Object> metadata = new LinkedHashMap<>();
      ((Map<?, ?>) e.getOrDefault("metadata", Map.of()))
          .forEach((k, v) -> metadata.put(String.valueOf(k), v));
      if (value == null) {
        metadata.remove(key);
      } else {
        metadata.put(key, value);
      }
      now.put("metadata", metadata);
      return now;
    });
  }

  void forgets(String name) {
    table.removeIf(e -> name.equals(e.get("name")));
  }

  /// What it lists under this name.
  Map<String, Object> entry(String name) {
    return table.stream().filter(e -> name.equals(e.get("name"))).findFirst().orElseThrow();
  }

  /// Lists this as it is.
  void lists(Map<String, Object> entry) {
    table.add(entry);
  }

  void forgetsAll() {
    table.clear();
  }

  /// What it answers with instead of its table, status line and body; null for the table.
  void answers(@Nullable String instead) {
    another = instead;
  }

  /// Every answer takes so long.
  void slow(int millis) {
    delayMillis = millis;
  }

  /// Every second table is empty.
  void flaps(boolean on) {
    flapping = on;
  }

  void dies() throws IOException {
    server.close();
  }

  void returns() {
    server = ScriptedInstance.again(port, 50);
    accept(server);
  }

  private void accept(ServerSocket from) {
    Thread.ofVirtual()
        .start(() -> {
          try {
            while (true) {
              Socket s = from.accept();
              Thread.ofVirtual().start(() -> serve(s));
            }
          } catch (IOException closed) {
            // the end of this listener
          }
        });
  }

  private void serve(Socket s) {
    try (s) {
      Talk t = new Talk(s);
      while (!server.isClosed()) {
        String head = t.head();
        Thread.sleep(delayMillis);
        if (!head.startsWith("GET /services")) {
          t.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
          continue;
        }
        String instead = another;
        if (instead != null) {
          t.say(instead);
          continue;
        }
        boolean empty = asked.incrementAndGet() % 2 == 0 && flapping;
        List<Object> services = empty ? List.of() : new ArrayList<>(table);
        String body =
            new String(
                Json.bytes(Map.of("services", services)), java.nio.charset.StandardCharsets.UTF_8);
        t.say("HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
      }
    } catch (Exception gone) {
      // the router closed it
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
