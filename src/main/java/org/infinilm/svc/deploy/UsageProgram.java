package org.infinilm.svc.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.history.HistoryReader;
import org.infinilm.svc.history.UsageRow;
import org.infinilm.svc.history.UsageRow.By;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;

/// `infini usage`: requests and tokens by key, model and day, out of history.
public final class UsageProgram {
  private static final Key<String> BY =
      Key.text("by", "key,model", "What to group by: key, model, day, or several with commas.");
  private static final Key<String> SINCE =
      Key.text("since", null, "First day, as 2026-11-01 (UTC), or 7d for a number of days ago.");
  private static final Key<Boolean> JSON =
      Key.flag("json", false, "Print one JSON document instead of a table.");
  private static final Key<String> FILE =
      Key.text(
          "file", null, "File of history (default: that of the deployment of infini up here).");
  private static final Key<String> URL =
      Key.text("url", null, "Ask this router instead, http://host:port.");
  private static final Key<String> TOKEN =
      Key.text("admin_token", null, "The router's admin token, where it wants one.");

  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final String UNKNOWN = "-";

  public static final Program PROGRAM =
      new Program(
          "usage",
          "Requests and tokens by key, model and day, from the history of a router.",
          TlsSettings.andClient(BY, SINCE, JSON, FILE, URL, TOKEN, Deployments.ROUTER_PORT),
          Map.of(),
          "",
          false,
          UsageProgram::run);

  private UsageProgram() {}

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    Config c = args.config();
    LocalDate today = Ticker.SYSTEM.now().atZone(ZoneOffset.UTC).toLocalDate();
    Set<By> by;
    LocalDate since;
    try {
      by = By.of(c.get(BY));
      since = c.find(SINCE).isEmpty() ? LocalDate.EPOCH : UsageRow.day(c.get(SINCE), today);
    } catch (IllegalArgumentException e) {
      throw new ConfigException("--" + e.getMessage());
    }
    if (c.find(URL).isPresent() && c.find(FILE).isPresent()) {
      throw new ConfigException("--file and --url given (expected: one of them)");
    }
    try {
      List<UsageRow> rows =
          c.find(URL).isPresent()
              ? asked(c, since)
              : new HistoryReader(file(c)).usage(by, since.toEpochDay());
      print(rows, by, c.get(JSON), System.out);
      return 0;
    } catch (IOException e) {
      System.err.println("infini usage: " + e.getMessage());
      return 1;
    }
  }

  private static Path file(Config c) throws ConfigException, IOException {
    return c.find(FILE).isPresent()
        ? Path.of(c.get(FILE))
        : RunFolder.history(System.getenv(), c.find(Deployments.ROUTER_PORT).orElse(null));
  }

  private static List<UsageRow> asked(Config c, LocalDate since)
      throws ConfigException, IOException, InterruptedException {
    BaseUrl base = BaseUrl.typed(c.get(URL));
    if (base == null) {
      throw new ConfigException(
          "--url: "
              + BaseUrl.shown(c.get(URL))
              + " (expected: the router's address, http://host:port)");
    }
    URI uri =
        URI.create(
            base
                + "/usage?since="
                + since
                + "&by="
                + URLEncoder.encode(c.get(BY), StandardCharsets.UTF_8));
    String token = c.find(TOKEN).orElse("");
    Headers headers = Headers.bearer(token);
    try (Client client = Client.create().with(TlsSettings.client(c))) {
      Client.Reply r = client.send("GET", uri, headers, new byte[0], TIMEOUT);
      JsonNode said = Json.tree(r.body());
      if (!r.ok()) {
        throw new IOException(base + ": " + said.path("error").path("message").asText());
      }
      List<UsageRow> rows = new ArrayList<>();
      said.path("usage").forEach(n -> rows.add(UsageRow.of(Json.plain(n))));
      return rows;
    }
  }

  /// A table with a sum, or JSON.
  static void print(List<UsageRow> rows, Set<By> by, boolean json, PrintStream out) {
    if (json) {
      out.println(Json.text(Map.of("usage", rows.stream().map(UsageRow::json).toList())));
      return;
    }
    List<List<String>> table = new ArrayList<>();
    List<String> head = new ArrayList<>();
    by.stream().sorted().forEach(b -> head.add(b.name()));
    head.addAll(List.of("REQUESTS", "ERRORS", "PROMPT", "CACHED", "COMPLETION"));
    table.add(head);
    rows.forEach(r -> table.add(cells(r, by)));
    if (rows.size() != 1) {
      table.add(cells(UsageRow.sum(rows), by));
    }
    lines(table, by.size()).forEach(out::println);
  }

  private static List<String> cells(UsageRow r, Set<By> by) {
    List<String> out = new ArrayList<>();
    boolean sum = r.day() == null && r.key() == null && r.model() == null;
    for (By b : by.stream().sorted().toList()) {
      String cell = sum ? (out.isEmpty() ? "all" : "") : r.group(b);
      out.add(sum || !cell.isEmpty() ? printable(cell) : UNKNOWN);
    }
    out.add(count(r.requests()));
    out.add(count(r.errors()));
    for (Long tokens : new Long[] {r.promptTokens(), r.cachedTokens(), r.completionTokens()}) {
      out.add(tokens == null ? UNKNOWN : count(tokens));
    }
    return out;
  }

  private static String count(long n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  /// A name that moves no cursor.
  private static String printable(String s) {
    return s.replaceAll("\\p{C}", "?");
  }

  /// Words to the left, numbers to the right. Pure.
  private static List<String> lines(List<List<String>> table, int words) {
    int columns = table.getFirst().size();
    int[] wide = new int[columns];
    table.forEach(row -> {
      for (int k = 0; k < columns; k++) {
        wide[k] = Math.max(wide[k], row.get(k).length());
      }
    });
    List<String> out = new ArrayList<>();
    for (List<String> row : table) {
      StringBuilder line = new StringBuilder();
      for (int k = 0; k < columns; k++) {
        String pad = " ".repeat(wide[k] - row.get(k).length());
        line.append(k == 0 ? "" : "  ");
        line.append(k < words ? row.get(k) + pad : pad + row.get(k));
      }
      out.add(line.toString().stripTrailing());
    }
    return out;
  }
}
