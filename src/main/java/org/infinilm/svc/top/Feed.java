package org.infinilm.svc.top;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.SseReader;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Reads a router's event stream into a board.
final class Feed {
  private static final Duration SILENCE = Duration.ofSeconds(10);
  private static final Duration ACTION = Duration.ofSeconds(10);
  private static final int MOST_EVENT_BYTES = 64 << 20;
  private static final int MOST_SAID = 2048;

  /// The router does not let this be read.
  static final class Refused extends IOException {
    private static final long serialVersionUID = 1;

    Refused(String why) {
      super(why);
    }
  }

  /// Hears that something is on the board; returns whether to read on.
  interface Heard {
    boolean heard();
  }

  private final Client client;
  private final URI router;
  private final Headers headers;
  private final Ticker ticker;

  /// @param router base address, without a slash at its end
  Feed(Client client, URI router, @Nullable String token, Ticker ticker) {
    this.client = client;
    this.router = router;
    this.headers = Headers.bearer(token);
    this.ticker = ticker;
  }

  /// Follows the stream until it ends or `heard` has had enough.
  ///
  /// @throws Refused when the router wants another token
  void follow(Board board, Heard heard) throws IOException, InterruptedException {
    Lines lines = new Lines(board, heard);
    try {
      client.stream("GET", URI.create(router + "/events"), headers, new byte[0], SILENCE, lines);
    } catch (Enough e) {
      return;
    }
    if (lines.status != 200) {
      String said = lines.said();
      throw lines.status == 401 || lines.status == 403
          ? new Refused(said)
          : new IOException(
              "/events: "
                  + lines.status
                  + " "
                  + said
                  + (lines.status == 404 ? " (expected: the address of a router)" : ""));
    }
  }

  /// Drains an instance or puts it back; null when that was taken on, else why not.
  @Nullable String act(Look.Question q) throws InterruptedException {
    String name =
        java.net.URLEncoder.encode(q.instance(), StandardCharsets.UTF_8).replace("+", "%20");
    URI uri = URI.create(router + "/admin/instances/" + name + (q.drain() ? "/drain" : "/undrain"));
    try {
      Client.Reply r =
          client.send(
              "POST",
              uri,
              headers.with("content-type", "application/json"),
              "{}".getBytes(StandardCharsets.UTF_8),
              ACTION);
      return r.ok() ? null : message(r.body());
    } catch (IOException e) {
      return String.valueOf(e.getMessage());
    }
  }

  private static String message(byte[] body) {
    try {
      String said = Json.tree(body).path("error").path("message").asText();
      return Words.printable(said);
    } catch (IOException noJson) {
      return Words.printable(new String(body, StandardCharsets.UTF_8).strip());
    }
  }

  private static final class Enough extends IOException {
    private static final long serialVersionUID = 1;
  }

  /// Cuts the stream into events, and keeps what a refusal says.
  private final class Lines implements Client.Listener {
    private final Board board;
    private final Heard heard;
    private final ByteArrayOutputStream refusal = new ByteArrayOutputStream();
    private final SseReader events = new SseReader(MOST_EVENT_BYTES, this::event);
    int status;

    Lines(Board board, Heard heard) {
      this.board = board;
      this.heard = heard;
    }

    @Override
    public void head(int code, Headers fields) {
      status = code;
    }

    @Override
    public void piece(byte[] piece) throws IOException {
      if (status == 200) {
        events.feed(piece, 0, piece.length);
      } else if (refusal.size() < MOST_SAID) {
        refusal.writeBytes(piece);
      }
    }

    private void event(String name, byte[] data, int length) throws IOException {
      board.take(name, Json.tree(Arrays.copyOf(data, length)), ticker.nanos());
      if (!heard.heard()) {
        throw new Enough();
      }
    }

    private String said() {
      return message(refusal.toByteArray());
    }
  }
}
