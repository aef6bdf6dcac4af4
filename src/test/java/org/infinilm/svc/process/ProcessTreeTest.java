package org.infinilm.svc.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Process trees of shells.
@Timeout(60)
class ProcessTreeTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  @TempDir private Path dir;
  private final String mark = UUID.randomUUID().toString();

  private Process start(String script, Map<String, String> env) throws IOException {
    ProcessBuilder b = new ProcessBuilder("setsid", "sh", "-c", script).directory(dir.toFile());
    b.environment().putAll(env);
    // Java closes its ends of the pipes with the root; a shell that then complains ends by SIGPIPE.
    b.redirectOutput(ProcessBuilder.Redirect.DISCARD);
    b.redirectError(ProcessBuilder.Redirect.DISCARD);
    Process p = b.start();
    await().until(() -> Files.exists(dir.resolve("up")));
    return p;
  }

  private ProcessTree tree(String script) throws IOException {
    Process p = start(script, Map.of("TREE_TEST", mark));
    return new ProcessTree(p.toHandle(), "TREE_TEST=" + mark, true);
  }

  private long pid(String file) throws IOException {
    await().until(() -> Files.exists(dir.resolve(file)) && Files.size(dir.resolve(file)) > 0);
    return Long.parseLong(Files.readString(dir.resolve(file)).strip());
  }

  private List<Proc> left() {
    return Proc.withEnvironment("TREE_TEST=" + mark);
  }

  @AfterEach
  void nothingIsLeft() {
    left().forEach(p -> p.signal(true));
  }

  @Test
  void theRootIsAskedAloneAndMayEndItsWorkersItself() throws Exception {
    ProcessTree tree =
        tree(
            "sleep 600 & w=$!; trap 'sleep 0.5; kill -0 $w && echo alive >seen; kill $w; exit 0' TERM;"
                + " touch up; while :; do sleep 0.1; done");
    assertThat(tree.end(LONG, Ticker.SYSTEM)).isTrue();
    assertThat(dir.resolve("seen")).hasContent("alive");
    assertThat(left()).isEmpty();
  }

  @Test
  void whenTheRootHasEndedTheOthersAreAsked() throws Exception {
    ProcessTree tree =
        tree(
            "sh -c 'trap \"echo asked >asked; exit\" TERM; touch up; while :; do sleep 0.1; done' &"
                + " exec sleep 600");
    assertThat(tree.end(LONG, Ticker.SYSTEM)).isTrue();
    assertThat(left()).isEmpty();
    assertThat(dir.resolve("asked")).hasContent("asked");
  }

  @Test
  void whatIgnoresBothIsKilledAfterTheGraceAlsoInASessionOfItsOwn() throws Exception {
    ProcessTree tree =
        tree(
            "trap '' TERM; setsid sh -c 'echo $$ >pid; touch up; while :; do sleep 0.1; done' & wait");
    long other = pid("pid");
    assertThat(tree.contains(other)).isTrue();
    assertThat(tree.contains(ProcessHandle.current().pid())).isFalse();
    assertThat(tree.end(Duration.ofMillis(200), Ticker.SYSTEM)).isTrue();
    assertThat(left()).isEmpty();
    assertThat(Proc.of(other)).isEmpty();
  }

  @Test
  void aHurryCutsTheGraceShort() throws Exception {
    ProcessTree tree = tree("trap '' TERM; touch up; while :; do sleep 0.1; done");
    Thread end =
        Thread.ofPlatform()
            .start(() -> {
              try {
                assertThat(tree.end(Duration.ofMinutes(10), Ticker.SYSTEM)).isTrue();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    tree.hurry();
    end.join();
    assertThat(left()).isEmpty();
  }

  @Test
  void anOrphanIsOneWhoseSupervisorIsGoneAndThatIsOfThisInstance() throws Exception {
    Proc gone = new Proc(ProcessHandle.current().pid(), "another boot/1");
    Map<String, String> orphan =
        Map.of(
            "TREE_TEST",
            mark,
            Orphans.INSTANCE,
            "paged ü:" + mark,
            Orphans.SUPERVISOR,
            gone.toString(),
            Orphans.START,
            mark + "-1");
    start("sleep 600 & touch up; exec sleep 600", orphan);
    assertThat(Orphans.end("other:" + mark, LONG, Ticker.SYSTEM)).isEmpty();
    assertThat(left()).hasSize(2);
    assertThat(Orphans.end("paged ü:" + mark, LONG, Ticker.SYSTEM)).hasSize(2);
    assertThat(left()).isEmpty();

    Files.delete(dir.resolve("up"));
    Map<String, String> supervised =
        new java.util.HashMap<>(Orphans.marks("paged ü:" + mark, mark + "-2"));
    supervised.put("TREE_TEST", mark);
    start("touch up; exec sleep 600", supervised);
    assertThat(Orphans.end("paged ü:" + mark, LONG, Ticker.SYSTEM)).isEmpty();
    assertThat(left()).hasSize(1);
  }
}
