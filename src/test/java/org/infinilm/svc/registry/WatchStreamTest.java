package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the registry writes of its own trouble, without sockets.
@Timeout(60)
class WatchStreamTest {
  /// In memory, with an ailment that a test gives.
  private static final class Ailing extends LeaseStore {
    volatile @Nullable String ails;

    Ailing() {
      super(new Samples.Clock(), Lease.FRESH, "boot");
    }

    void ails(@Nullable String what) {
      ails = what;
      look();
    }

    void register(String name) {
      apply(new Event.Register(Samples.entry(name)));
    }

    @Override
    Table.Step apply(Event event) {
      return decide(event, _ -> {});
    }

    @Override
    List<String> cleanUp() {
      return List.of();
    }

    @Override
    String journal() {
      return "off";
    }

    @Override
    @Nullable String ails() {
      return ails;
    }

    @Override
    PeerBoard.Answer exchange(String run, Map<String, Map<String, Object>> notes, String since) {
      throw new UnsupportedOperationException();
    }

    @Override
    void leave(String run) {}

    @Override
    void finish() {}
  }

  private final Ailing store = new Ailing();
  private final LinkedBlockingQueue<String> written = new LinkedBlockingQueue<>();
  private final CompletableFuture<@Nullable Void> ended = new CompletableFuture<>();

  /// Piece by piece, as it was written.
  private void stream(String since) {
    Response.BodySink sink =
        new Response.BodySink() {
          @Override
          public void write(byte[] piece) {
            written.add(new String(piece, StandardCharsets.UTF_8));
          }

          @Override
          public void abort() {}

          @Override
          public void reset() {}
        };
    Thread.ofVirtual()
        .start(() -> {
          try {
            new WatchStream(store, new Pieces()).write(since, sink);
            ended.complete(null);
          } catch (IOException | InterruptedException | RuntimeException e) {
            ended.completeExceptionally(e);
          }
        });
  }

  private String next() throws InterruptedException {
    String piece = written.poll(30, TimeUnit.SECONDS);
    assertThat(piece).isNotNull();
    return piece;
  }

  private String version() {
    return store.version(store.table());
  }

  @AfterEach
  void end() throws Exception {
    store.close();
    ended.get();
  }

  @Test
  void aReaderThatComesBackHearsOfTheTroubleFirstAndOfItsEnd() throws Exception {
    store.register("a");
    String seen = version();
    store.ails("why");
    store.register("b");
    stream(seen);
    assertThat(next())
        .isEqualTo("event: trouble\nid: " + seen + "\ndata: {\"trouble\":\"why\"}\n\n");
    assertThat(next()).startsWith("event: put\nid: " + version()).contains("\"name\":\"b\"");
    store.ails("another");
    assertThat(next())
        .isEqualTo("event: trouble\nid: " + version() + "\ndata: {\"trouble\":\"another\"}\n\n");
    store.ails(null);
    assertThat(next()).isEqualTo("event: trouble\nid: " + version() + "\ndata: {}\n\n");
    store.register("c");
    assertThat(next()).startsWith("event: put\n").contains("\"name\":\"c\"");
  }

  @Test
  void aSnapshotTellsItOnce() throws Exception {
    store.register("a");
    store.ails("why");
    stream("");
    StringBuilder snapshot = new StringBuilder();
    while (snapshot.indexOf("\n\n") < 0) {
      snapshot.append(next());
    }
    assertThat(snapshot)
        .startsWith("event: snapshot\n")
        .contains("}],\"trouble\":\"why\",\"version\":\"" + version() + "\"}");
    store.register("b");
    assertThat(next()).as("the trouble is told").startsWith("event: put\n");
  }

  /// As from an earlier registry.
  @Test
  void whereNothingAilsThereIsNoWordOfIt() throws Exception {
    String seen = version();
    store.register("a");
    stream(seen);
    assertThat(next()).startsWith("event: put\n");
    store.ails(null);
    store.register("b");
    assertThat(next()).startsWith("event: put\n").contains("\"name\":\"b\"");
  }

  @Test
  void whoWaitsForTheTableIsLetGoByATroubleThatBegins() throws Exception {
    String seen = version();
    CompletableFuture<Table> waiting = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            waiting.complete(store.await(seen, null, Duration.ofHours(1)));
          } catch (InterruptedException e) {
            waiting.completeExceptionally(e);
          }
        });
    store.ails("why");
    assertThat(store.version(waiting.get())).isEqualTo(seen);
    assertThat(store.trouble()).isEqualTo("why");
    store.await(seen, "why", Duration.ofMillis(1));
    ended.complete(null);
  }
}
