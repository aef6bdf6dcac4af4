package org.infinilm.svc.top;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `infini top` in a real terminal, tmux's. Needs tmux; run by `./infini test --page`.
class TopTerminal {
  private static final Duration SOON = Duration.ofSeconds(60);

  private final CountDownLatch over = new CountDownLatch(1);
  @TempDir Path folder;
  private Server server;

  @BeforeEach
  void open() throws Exception {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
  }

  @AfterEach
  void close() throws Exception {
    over.countDown();
    server.close();
    tmux("kill-server");
  }

  private Response answer(Request r) {
    if ("Bearer wrong".equals(r.headers().get("authorization"))) {
      return Response.json(401, Map.of("error", Map.of("message", "the admin token is wanted")));
    }
    List<Map<String, Object>> two =
        List.of(
            Told.instance("a", "paged", "routable", 0.5),
            Told.instance("b", "static", "routable", 2));
    return Response.stream(
        200,
        Headers.of("content-type", "text/event-stream"),
        sink -> {
          sink.write(Told.event("snapshot", Told.data(true, null, two)));
          for (int k = 0; k < 600; k++) {
            sink.write(Told.event("tick", Told.data(false, 2.0 + k, List.of())));
            if (over.await(100, TimeUnit.MILLISECONDS)) {
              return;
            }
          }
        });
  }

  private String tmux(String... words) throws Exception {
    List<String> command = new ArrayList<>(List.of("tmux", "-S", folder.resolve("s").toString()));
    command.addAll(List.of(words));
    Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
    return out;
  }

  /// Runs `infini top` in a window; its exit code comes into a file.
  private void start(String before, String... arguments) throws Exception {
    Path script = folder.resolve("run.sh");
    Files.writeString(
        script,
        "%s '%s' --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -jar '%s' top %s\necho \"code $?\" | tee '%s'\nsleep 100\n"
            .formatted(
                before,
                Path.of(System.getProperty("java.home"), "bin", "java"),
                System.getProperty("infini.jar"),
                String.join(" ", arguments),
                folder.resolve("code")));
    tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh " + script);
  }

  private void shows(String... words) {
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(tmux("capture-pane", "-p")).contains(words));
  }

  private String url() {
    return "http://127.0.0.1:" + server.port();
  }

  @Test
  void itIsDrawnFollowsTheWindowAndLeavesTheTerminalAsItWas() throws Exception {
    start("", url());
    shows("Serving: 1 of 2 in service", "INSTANCE", "req/s");
    assertThat(tmux("display-message", "-p", "#{cursor_flag}").strip()).isEqualTo("0");
    assertThat(tmux("capture-pane", "-p").lines()).allMatch(l -> l.length() <= 80);
    tmux("resize-window", "-x", "60", "-y", "6");
    shows("60 x 6 is too small (expected: 40 x 8 or more)");
    tmux("resize-window", "-x", "100", "-y", "30");
    shows("Serving: 1 of 2 in service", "static routable");
    tmux("send-keys", "q");
    shows("code 0");
    assertThat(tmux("capture-pane", "-p")).doesNotContain("Serving");
    assertThat(tmux("display-message", "-p", "#{cursor_flag}").strip())
        .as("the cursor is there again")
        .isEqualTo("1");
  }

  @Test
  void whoIsRefusedOrFindsNobodyIsToldAfterwardsWhereItCanBeRead() throws Exception {
    start("", "--admin-token", "wrong", url());
    shows("the admin token is wanted", "code 1");
    tmux("kill-server");
    String nobody = url();
    server.close();
    start("", nobody);
    shows("infini top: " + nobody, "refused", "code 1");
  }

  @Test
  void aTerminalWithoutACursorIsToldSo() throws Exception {
    start("TERM=dumb", url());
    shows("cannot be drawn on", "--once", "code 1");
    assertThat(tmux("capture-pane", "-p")).doesNotContain("Serving");
  }

  @Test
  void theKeyThatEndsProgramsEndsItToo() throws Exception {
    start("", url());
    shows("Serving: 1 of 2 in service");
    tmux("send-keys", "C-c");
    shows("code ");
    assertThat(tmux("capture-pane", "-p")).doesNotContain("Serving").doesNotContain("Exception");
  }
}
