package org.infinilm.svc.top;

import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;

/// `infini top`: a router's state, live in the terminal, or once for scripts.
public final class TopProgram {
  private static final Key<Boolean> ONCE =
      Key.flag("once", false, "Print it once, with rates, and end.");
  private static final Key<Boolean> JSON =
      Key.flag("json", false, "Print JSON, one document a line; with --once one document.");
  private static final Key<Boolean> ASCII = Key.flag("ascii", false, "Draw with ASCII alone.");
  static final Key<String> TOKEN =
      Key.text("admin_token", null, "The router's admin token, where it wants one.");

  static final String ENDED = "the router ended its stream";

  static final String DEFAULT = "http://127.0.0.1:8000";

  /// Of a report that nobody sees on a terminal.
  private static final int REPORT_WIDTH = 100;

  private static final int REPORT_ROWS = 10;

  public static final Program PROGRAM =
      new Program(
          "top",
          "A router's state, live in the terminal; URL is its address, http://127.0.0.1:8000 when absent.",
          TlsSettings.andClient(ONCE, JSON, ASCII, TOKEN),
          Map.of(),
          "[URL]",
          false,
          TopProgram::run);

  private TopProgram() {}

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    Config c = args.config();
    if (args.positionals().size() > 1) {
      throw new ConfigException("top: " + args.positionals() + " (expected: one URL)");
    }
    URI router = address(args.positionals().isEmpty() ? DEFAULT : args.positionals().getFirst());
    try (Client client = Client.create().with(TlsSettings.client(c))) {
      Feed feed = new Feed(client, router, c.find(TOKEN).orElse(null), Ticker.SYSTEM);
      Screen screen =
          new Screen(
              String.valueOf(router),
              c.get(ASCII) || !Charset.defaultCharset().equals(StandardCharsets.UTF_8),
              ZoneId.systemDefault());
      if (c.get(ONCE)) {
        return once(feed, screen, c.get(JSON), System.out);
      }
      if (c.get(JSON)) {
        return lines(feed, System.out);
      }
      return new Live(feed, screen, System.getenv(), Ticker.SYSTEM).run();
    } catch (IOException e) {
      System.err.println("infini top: " + router + ": " + e.getMessage());
      return 1;
    }
  }

  /// @param url as [BaseUrl#typed] has it
  static URI address(String url) throws ConfigException {
    BaseUrl parsed = BaseUrl.typed(url);
    if (parsed == null) {
      throw new ConfigException(
          BaseUrl.shown(url)
              + " (expected: the router's address, http://host:port or https://host:port)");
    }
    return URI.create(parsed.toString());
  }

  /// Waits for the second tick, with which rates are known.
  private static int once(Feed feed, Screen screen, boolean json, PrintStream out)
      throws IOException, InterruptedException {
    Board board = new Board();
    feed.follow(board, () -> board.ticks() < 1);
    if (board.heardNanos() == null) {
      throw new IOException(ENDED);
    }
    if (json) {
      out.println(board.json());
    } else {
      List<Screen.Line> lines = screen.draw(board, Look.FIRST, REPORT_WIDTH, 0, "");
      int most = 6 + board.instances().size() + REPORT_ROWS;
      lines.stream().limit(most).map(l -> l.text().stripTrailing()).forEach(out::println);
    }
    out.flush();
    return 0;
  }

  private static int lines(Feed feed, PrintStream out) throws IOException, InterruptedException {
    Board board = new Board();
    boolean[] read = {true};
    feed.follow(
        board,
        () -> {
          out.println(Json.text(board.json()));
          read[0] = !out.checkError();
          return read[0];
        });
    if (read[0]) {
      throw new IOException(ENDED);
    }
    return 0;
  }
}
