package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;

/// A Chromium without a window, driven by its own protocol (CDP): one page.
final class Browser {
  private static final Duration SOON = Duration.ofSeconds(60);

  private final Process process;
  private final Path profile;
  private final HttpClient http = HttpClient.newHttpClient();
  private final WebSocket socket;
  private final AtomicInteger ids = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> asked = new ConcurrentHashMap<>();

  /// What the page complained of: exceptions, errors, refused scripts.
  final List<String> complaints = new CopyOnWriteArrayList<>();

  Browser() throws Exception {
    profile = Files.createTempDirectory("browser");
    process =
        new ProcessBuilder(
                System.getProperty("infini.browser", "chromium"),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--user-data-dir=" + profile,
                "about:blank")
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    BufferedReader err = new BufferedReader(new InputStreamReader(process.getErrorStream(), UTF_8));
    String line = err.readLine();
    while (line != null && !line.contains("DevTools listening on")) {
      line = err.readLine();
    }
    if (line == null) {
      throw new IOException("chromium did not start");
    }
    Thread.ofVirtual().start(() -> err.lines().forEach(l -> {}));
    int port = URI.create(line.substring(line.indexOf("ws:"))).getPort();
    String page = "";
    try (Client c = Client.create()) {
      URI list = URI.create("http://127.0.0.1:" + port + "/json");
      for (JsonNode t : Json.tree(c.get(list, SOON).body())) {
        page =
            t.path("type").asText().equals("page") ? t.path("webSocketDebuggerUrl").asText() : page;
      }
    }
    socket =
        http.newWebSocketBuilder()
            .buildAsync(URI.create(page), new Hears())
            .get(60, TimeUnit.SECONDS);
    call("Runtime.enable", Map.of());
    call("Log.enable", Map.of());
    call("Page.enable", Map.of());
  }

  private final class Hears implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket w, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        try {
          JsonNode n = Json.tree(text.toString().getBytes(UTF_8));
          text.setLength(0);
          CompletableFuture<JsonNode> f = asked.remove(n.path("id").asInt());
          if (f != null) {
            f.complete(n);
          } else if (n.path("method").asText().equals("Runtime.exceptionThrown")
              || n.path("params").path("entry").path("level").asText().equals("error")) {
            complaints.add(n.path("params").toString());
          }
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
      w.request(1);
      return null;
    }
  }

  private JsonNode call(String method, Map<String, Object> params) throws Exception {
    int id = ids.incrementAndGet();
    CompletableFuture<JsonNode> f = new CompletableFuture<>();
    asked.put(id, f);
    Map<String, Object> m = new HashMap<>(Map.of("id", id, "method", method, "params", params));
    socket.sendText(Json.text(m), true).get(60, TimeUnit.SECONDS);
    return f.get(60, TimeUnit.SECONDS).path("result");
  }

  /// The window's size in CSS pixels; below 600 columns that of a phone.
  void size(int width, int height) throws Exception {
    call(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
  }

  void open(String url, int width, int height, boolean dark) throws Exception {
    size(width, height);
    call(
        "Emulation.setEmulatedMedia",
        Map.of(
            "features",
            List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    call("Page.navigate", Map.of("url", url));
  }

  /// What an expression comes to.
  JsonNode value(String script) throws Exception {
    JsonNode r =
        call(
            "Runtime.evaluate",
            Map.of("expression", script, "awaitPromise", true, "returnByValue", true));
    if (r.has("exceptionDetails")) {
      throw new AssertionError(script + ": " + r.path("exceptionDetails"));
    }
    return r.path("result").path("value");
  }

  /// The text of the first element that a selector finds.
  String text(String selector) throws Exception {
    return value("document.querySelector(" + Json.text(selector) + ")?.innerText ?? ''").asText();
  }

  /// Key presses, as a keyboard sends them.
  void press(String key, String code, int number) throws Exception {
    String text = key.equals("Enter") ? "\r" : "";
    for (String type : List.of("keyDown", "keyUp")) {
      call(
          "Input.dispatchKeyEvent",
          Map.of(
              "type",
              type,
              "key",
              key,
              "code",
              code,
              "windowsVirtualKeyCode",
              number,
              "text",
              type.equals("keyDown") ? text : ""));
    }
  }

  /// Puts the pointer on the first element that a selector finds.
  ///
  /// @param columns from its left side
  void point(String selector, int columns) throws Exception {
    JsonNode at =
        value(
            "(() => {const e = document.querySelector("
                + Json.text(selector)
                + "); e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
                + " return [r.left, r.top + r.height / 2]})()");
    call(
        "Input.dispatchMouseEvent",
        Map.of(
            "type",
            "mouseMoved",
            "x",
            at.path(0).asDouble() + columns,
            "y",
            at.path(1).asDouble()));
  }

  void picture(Path to) throws Exception {
    JsonNode r = call("Page.captureScreenshot", Map.of("format", "png"));
    Files.createDirectories(to.toAbsolutePath().getParent());
    Files.write(to, Base64.getDecoder().decode(r.path("data").asText()));
  }

  void close() throws Exception {
    List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
    process.destroy();
    if (!process.waitFor(20, TimeUnit.SECONDS)) {
      process.destroyForcibly().waitFor();
    }
    all.forEach(ProcessHandle::destroyForcibly);
    http.shutdownNow();
    Files.walkFileTree(
        profile,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path f, BasicFileAttributes a) throws IOException {
            Files.deleteIfExists(f);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path f, IOException e) {
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path d, IOException e) throws IOException {
            Files.deleteIfExists(d);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
