package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.HotSpotDiagnosticMXBean.ThreadDumpFormat;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Makes what a class leaves open a failed test: after each class of the rooms that hold sockets,
/// files and processes there are no more descriptors, threads (virtual ones too) and children than
/// before it. JUnit finds this extension by itself.
public final class LeftOpenWatch implements BeforeAllCallback, AfterAllCallback {
  private static final Set<String> WATCHED =
      Set.of(
          "org.infinilm.svc.registry",
          "org.infinilm.svc.babysitter",
          "org.infinilm.svc.process",
          "org.infinilm.svc.deploy");
  private static final ExtensionContext.Namespace OWN =
      ExtensionContext.Namespace.create(LeftOpenWatch.class);
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Path DESCRIPTORS = Path.of("/proc/self/fd");
  private static final Pattern THREAD = Pattern.compile("^#(\\d+) \"([^\"]*)\"", Pattern.MULTILINE);

  /// The machine's and the test tools' own, which come when they are first needed; those of routers
  /// that another room's class has left in this process; and classes.
  private static final Pattern ELSEWHERES =
      Pattern.compile(
          "process reaper.*|ForkJoinPool.*|VirtualThread-unblocker|.*-unparker|(Read|Write)-Poller"
              + "|resolver-\\d+|probe \\d+"
              + "|MasterPoller|awaitility.*|surefire.*|junit.*|prometheus-metrics-scheduler.*|Common-Cleaner|Attach Listener"
              + "|.*\\.(jar|so|jsa)( \\(deleted\\))?|.*/lib/modules|/proc/.*|/dev/.*");

  @Override
  public void beforeAll(ExtensionContext context) throws Exception {
    if (isWatched(context)) {
      warmUp();
      context.getStore(OWN).put("before", open());
    }
  }

  @Override
  public void afterAll(ExtensionContext context) {
    if (isWatched(context)) {
      @SuppressWarnings("unchecked")
      Map<String, Integer> before =
          (Map<String, Integer>) context.getStore(OWN).get("before", Map.class);
      await()
          .atMost(PATIENCE)
          .untilAsserted(() ->
              assertThat(more(before, open()))
                  .as("left open by " + context.getRequiredTestClass().getSimpleName())
                  .isEmpty());
    }
  }

  private static boolean isWatched(ExtensionContext context) {
    Class<?> c = context.getRequiredTestClass();
    return c.getEnclosingClass() == null && WATCHED.contains(c.getPackageName());
  }

  /// What a process makes once and keeps: the control plane's loop and its descriptors, the socket
  /// that Java puts in the place of one that it closes.
  private static void warmUp() throws Exception {
    new ServerSocket(0, 1, InetAddress.getLoopbackAddress()).close();
    try (Server s =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                r -> Response.json(200, Map.of("at", r.path())));
        Client c = Client.create()) {
      c.get(URI.create("http://127.0.0.1:" + s.port() + "/"), PATIENCE);
    }
  }

  /// What is open, by kind or name, and how often.
  static Map<String, Integer> open() throws IOException {
    Map<String, Integer> out = new TreeMap<>();
    descriptors().forEach(d -> out.merge(d, 1, Integer::sum));
    threads().forEach(t -> out.merge("thread " + t, 1, Integer::sum));
    ProcessHandle.current()
        .children()
        .forEach(c -> out.merge("process " + c.info().command().orElse(""), 1, Integer::sum));
    return out;
  }

  static Map<String, Integer> more(Map<String, Integer> before, Map<String, Integer> now) {
    Map<String, Integer> out = new TreeMap<>();
    now.forEach((what, n) -> {
      int extra = n - before.getOrDefault(what, 0);
      if (extra > 0) {
        out.put(what, extra);
      }
    });
    return out;
  }

  /// Sockets and pipes by kind, files by name; none where the system does not tell.
  private static List<String> descriptors() throws IOException {
    List<String> out = new ArrayList<>();
    if (!Files.isDirectory(DESCRIPTORS)) {
      return out;
    }
    try (DirectoryStream<Path> all = Files.newDirectoryStream(DESCRIPTORS)) {
      for (Path p : all) {
        try {
          String to = Files.readSymbolicLink(p).toString();
          if (!ELSEWHERES.matcher(to).matches()) {
            out.add(to.replaceFirst("^(socket|pipe):.*", "$1"));
          }
        } catch (IOException closedMeanwhile) {
          // not open
        }
      }
    }
    return out;
  }

  private static List<String> threads() throws IOException {
    Path dump = Files.createTempFile("threads", ".txt");
    try {
      Files.delete(dump);
      ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
          .dumpThreads(dump.toString(), ThreadDumpFormat.TEXT_PLAIN);
      List<String> out = new ArrayList<>();
      Matcher m = THREAD.matcher(Files.readString(dump, StandardCharsets.UTF_8));
      while (m.find()) {
        if (!ELSEWHERES.matcher(m.group(2)).matches()) {
          out.add(m.group(2));
        }
      }
      return out;
    } finally {
      Files.deleteIfExists(dump);
    }
  }
}
