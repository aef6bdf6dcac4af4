package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.SseReader;
import org.infinilm.svc.telemetry.Ticker;

/// Sends a small and a large chat request through the router and says where each went and how long
/// it took.
final class Demo {
  /// A prompt on the paged instance that takes longer is worth a word.
  private static final double LONG_SECONDS = 1;

  private static final Duration BETWEEN_BYTES = Duration.ofMinutes(2);

  private static final String LARGE = "large";

  private final Client client;
  private final URI chat;
  private final String model;
  private final Terminal terminal;
  private final Ticker ticker;

  Demo(Client client, URI router, String model, Terminal terminal, Ticker ticker) {
    this.client = client;
    this.chat = router.resolve("/v1/chat/completions");
    this.model = model;
    this.terminal = terminal;
    this.ticker = ticker;
  }

  /// Whether both were answered.
  boolean run() throws InterruptedException {
    boolean small = ask("small", ChatBody.of(model, "What is a paged cache?", 96, true));
    String text = EnglishText.of(60_000) + "Tell me more about the old ferryman.";
    return ask(LARGE, ChatBody.of(model, text, 32, true)) && small;
  }

  /// What arrived, and when.
  private static final class Arrival implements Client.Listener {
    private final Ticker ticker;
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private int status;
    private Headers headers = Headers.NONE;
    private long firstTextNanos;

    Arrival(Ticker ticker) {
      this.ticker = ticker;
    }

    @Override
    public void head(int s, Headers h) {
      status = s;
      headers = h;
    }

    @Override
    public void piece(byte[] piece) {
      body.writeBytes(piece);
      if (firstTextNanos == 0 && !text(seen()).isEmpty()) {
        firstTextNanos = ticker.nanos();
      }
    }

    Probe.Seen seen() {
      return new Probe.Seen(status, headers, body.toByteArray(), null);
    }
  }

  private boolean ask(String title, ChatBody body) throws InterruptedException {
    terminal.progress(title + " request, " + body.json().length + " bytes ...");
    Arrival arrival = new Arrival(ticker);
    long start = ticker.nanos();
    try {
      client.stream(
          "POST",
          chat,
          Headers.of("content-type", "application/json"),
          body.json(),
          BETWEEN_BYTES,
          arrival);
    } catch (IOException e) {
      terminal.line(terminal.red(title) + " request: " + Probe.reason(chat, e));
      return false;
    }
    long end = ticker.nanos();
    Probe.Seen seen = arrival.seen();
    if (!seen.ok()) {
      terminal.line(terminal.red(title) + " request: " + seen.describe());
      return false;
    }
    long first = arrival.firstTextNanos == 0 ? end : arrival.firstTextNanos;
    terminal.line(
        String.format(
            Locale.ROOT,
            "%s request: %s, pool %s, reason %s (size %s, threshold %s); first token %.2f s, all"
                + " %.2f s",
            terminal.bold(title),
            Header.decode(seen.header("x-infini-instance")),
            seen.header("x-infini-pool"),
            seen.header("x-infini-reason"),
            seen.header("x-infini-size"),
            seen.header("x-infini-threshold"),
            (first - start) / 1e9,
            (end - start) / 1e9));
    terminal.line("  " + Json.text(Probe.shorten(text(seen).strip(), 300)));
    String word =
        ofThreshold(
            number(seen, "x-infini-size"),
            number(seen, "x-infini-threshold"),
            (first - start) / 1e9);
    if (title.equals(LARGE) && !word.isEmpty()) {
      terminal.line(word);
    }
    return true;
  }

  private static long number(Probe.Seen seen, String field) {
    String said = seen.header(field);
    return said.matches("[0-9]{1,15}") ? Long.parseLong(said) : 0;
  }

  /// What a large prompt's time says of the threshold: how long one of that size keeps the paged
  /// instance busy, and which size takes a second; empty when that is no longer than one.
  ///
  /// @param size of the prompt, in the threshold's unit
  /// @param firstSeconds until its first token
  static String ofThreshold(long size, long threshold, double firstSeconds) {
    double most = firstSeconds * threshold / Math.max(1, size);
    if (size <= 0 || most <= LONG_SECONDS) {
      return "";
    }
    long fits = (long) (size * LONG_SECONDS / firstSeconds);
    long unit = (long) Math.pow(10, Math.max(0, String.valueOf(fits).length() - 2));
    return String.format(
        Locale.ROOT,
        "threshold: a prompt of %d takes about %.1f s here and delays the small ones beside it; up to"
            + " %d it is a second (infini up --threshold %d, or infini whatif once there is traffic)",
        threshold,
        most,
        fits / unit * unit,
        fits / unit * unit);
  }

  /// The text of a stream, as far as it has come.
  private static String text(Probe.Seen seen) {
    StringBuilder out = new StringBuilder();
    for (String event : SseReader.data(seen.text())) {
      byte[] json = event.getBytes(StandardCharsets.UTF_8);
      JsonNode delta =
          new Probe.Seen(200, Headers.NONE, json, null)
              .json()
              .path("choices")
              .path(0)
              .path("delta");
      out.append(delta.path("content").asText(""));
    }
    return out.toString();
  }
}
