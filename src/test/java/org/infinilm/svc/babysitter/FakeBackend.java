package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/// The supervised server of these tests: `PORT [ignore-term] [descendant=PIDFILE] [no-models]
/// [chatty] [key=KEY] [host=::1] [loading] [spaced] [stray=PIDFILE] [metrics] [late=MILLIS]
/// [needs=FILE] [no-health] [fails=N,FILE] [dies=N,FILE]`. `/exit` ends it, `/break` turns its
/// health to 503, `/mend` back; `/hang` makes completions hang, `/freeze` everything, `/close`
/// closes its port, `/exit0` ends it well; `/pid`, `/slow` takes a second, `/env` lists the names
/// of its environment, `/hold` answers when `/release` comes; `/metrics` counts these two kinds of
/// work; `late` listens late, `needs` ends where the file is missing; `/lists` and `/healths` say
/// how often the model list and the health were asked for; `no-health` has none. FILE gets a line
/// for each start; the first N end at once with status 3, or while they warm up with status 4.
final class FakeBackend {
  private static volatile boolean broken;
  private static volatile boolean dying;
  private static volatile boolean loaded;
  private static volatile boolean hanging;
  private static volatile boolean frozen;
  private static final AtomicInteger LISTS = new AtomicInteger();
  private static final AtomicInteger HEALTHS = new AtomicInteger();
  private static final AtomicInteger WORKING = new AtomicInteger();
  private static final AtomicInteger DONE = new AtomicInteger();
  private static final CountDownLatch RELEASED = new CountDownLatch(1);
  private static ServerSocket listening;

  private FakeBackend() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    List<String> options = List.of(args);
    broken = options.contains("loading");
    if (options.contains("ignore-term")) {
      Runtime.getRuntime().addShutdownHook(new Thread(FakeBackend::hang));
    }
    for (String o : options) {
      if (o.startsWith("fails=") && isEarly(o)) {
        System.err.println("CUDA out of memory");
        System.err.println();
        Runtime.getRuntime().halt(3);
      }
      dying |= o.startsWith("dies=") && isEarly(o);
      if (o.startsWith("needs=") && !Files.exists(Path.of(o.substring("needs=".length())))) {
        System.exit(3);
      }
      if (o.startsWith("late=")) {
        Thread.sleep(Long.parseLong(o.substring("late=".length())));
      }
      if (o.startsWith("stray=")) {
        String hidden = "echo $$ >" + o.substring("stray=".length()) + "; exec sleep 600";
        new ProcessBuilder("sh", "-c", "setsid env -i sh -c '" + hidden + "' >/dev/null 2>&1 &")
            .start()
            .waitFor();
      }
      if (o.startsWith("descendant=")) {
        Process p = new ProcessBuilder("setsid", "sleep", "600").start();
        Files.writeString(Path.of(o.substring("descendant=".length())), "" + p.pid());
      }
    }
    if (options.contains("chatty")) {
      for (int line = 0; line < 40_000; line++) {
        System.out.println("line " + line + " of many, and nobody reads them");
      }
    }
    System.out.write(new byte[] {'r', 'a', 'w', (byte) 0xff, (byte) 0xc0, '\n'});
    System.out.flush();
    System.err.println("key is " + System.getenv("FAKE_KEY"));
    try (ServerSocket server = new ServerSocket()) {
      server.bind(
          new InetSocketAddress(
              InetAddress.getByName(options.contains("host=::1") ? "::1" : "127.0.0.1"),
              Integer.parseInt(args[0])));
      listening = server;
      while (true) {
        Socket s;
        try {
          s = server.accept();
        } catch (IOException closed) {
          hang();
          return;
        }
        if (frozen) {
          continue;
        }
        Thread.ofVirtual()
            .start(() -> {
              try (s) {
                answer(s, options);
              } catch (IOException | InterruptedException gone) {
                // the next one
              }
            });
      }
    }
  }

  /// Whether a start, which is noted, is among the first.
  private static boolean isEarly(String option) throws IOException {
    String[] of = option.substring(option.indexOf('=') + 1).split(",", 2);
    Path file = Path.of(of[1]);
    Files.writeString(file, "start\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    return Files.readAllLines(file).size() <= Integer.parseInt(of[0]);
  }

  private static boolean authorized(StringBuilder head, List<String> options) {
    return options.stream()
        .filter(o -> o.startsWith("key="))
        .allMatch(o -> head.indexOf("Bearer " + o.substring("key=".length())) >= 0);
  }

  private static void hang() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private interface Work {
    void run() throws InterruptedException;
  }

  private static void work(Work w) throws InterruptedException {
    WORKING.incrementAndGet();
    try {
      w.run();
    } finally {
      WORKING.decrementAndGet();
      DONE.incrementAndGet();
    }
  }

  private static void answer(Socket s, List<String> options)
      throws IOException, InterruptedException {
    s.setSoTimeout(2000);
    InputStream in = s.getInputStream();
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int b = in.read();
      if (b < 0) {
        return;
      }
      head.append((char) b);
    }
    String path = head.toString().split(" ")[1];
    int status = 200;
    String body = "{\"status\":\"healthy\"}";
    switch (path) {
      case "/health" -> {
        status = broken ? 503 : options.contains("no-health") ? 404 : 200;
        if (HEALTHS.incrementAndGet() > 1 && dying) {
          System.err.println("capture of graphs failed");
          Runtime.getRuntime().halt(4);
        }
        status = dying ? 503 : status;
      }
      case "/break" -> broken = true;
      case "/mend" -> broken = false;
      case "/load" -> loaded = true;
      case "/hang" -> hanging = true;
      case "/freeze" -> frozen = true;
      case "/close" -> listening.close();
      case "/pid" -> body = "" + ProcessHandle.current().pid();
      case "/exit0" -> Runtime.getRuntime().halt(0);
      case "/v1/completions" -> {
        if (hanging) {
          hang();
        }
        body = "{\"choices\":[]}";
      }
      case "/v1/chat/completions" -> {
        work(() -> {});
        body = "{\"choices\":[]}";
      }
      case "/slow" -> {
        work(() -> Thread.sleep(1000));
        body = "\"finished\"";
      }
      case "/hold" -> {
        work(RELEASED::await);
        body = "\"finished\"";
      }
      case "/quick" -> work(() -> {});
      case "/release" -> RELEASED.countDown();
      case "/metrics" -> {
        status = options.contains("metrics") ? 200 : 404;
        body =
            "vllm:num_requests_running{model=\"m1\"} "
                + WORKING.get()
                + "\nvllm:request_success_total{model=\"m1\"} "
                + DONE.get()
                + "\n";
      }
      case "/env" -> body = String.join("\n", System.getenv().keySet());
      case "/exit" -> Runtime.getRuntime().halt(7);
      case "/healths" -> body = "" + HEALTHS.get();
      case "/lists" -> body = "" + LISTS.get();
      case "/v1/models" -> {
        LISTS.incrementAndGet();
        status = options.contains("no-models") ? 404 : authorized(head, options) ? 200 : 401;
        body = "{\"data\":[{\"id\":\"m1\",\"max_model_len\":4096}";
        body += loaded ? ",{\"id\":\"m2\"}" : "";
        body += "],\"object\":\"list\"}";
        if (options.contains("spaced")) {
          body = body.replace(":", " : ").replace(",", ", ").replace("m1", "\u00c3\u00bc");
        }
      }
      default -> status = 404;
    }
    OutputStream out = s.getOutputStream();
    out.write(
        ("HTTP/1.1 "
                + status
                + " X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                + body.length()
                + "\r\n\r\n"
                + body)
            .getBytes(StandardCharsets.ISO_8859_1));
    out.flush();
  }
}
