package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.tls.TlsSettings;

/// `infini explain REQUEST_ID`: one decision in words.
public final class ExplainProgram {
  private static final Key<String> URL =
      Key.text("url", TopProgram.DEFAULT, "The router's address, http://host:port.");

  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final int BAR = 48;

  public static final Program PROGRAM =
      new Program(
          "explain",
          "Why a request went where it went: candidates, why each was passed over, where its time went.",
          TlsSettings.andClient(URL, TopProgram.TOKEN),
          Map.of(),
          "REQUEST_ID",
          false,
          ExplainProgram::run);

  private ExplainProgram() {}

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "explain: "
              + args.positionals()
              + " (expected: one request id, as x-request-id tells it)");
    }
    Config c = args.config();
    String id = args.positionals().getFirst();
    URI router = TopProgram.address(c.get(URL));
    try (Client client = Client.create().with(TlsSettings.client(c))) {
      String token = c.find(TopProgram.TOKEN).orElse("");
      Headers headers = Headers.bearer(token);
      URI uri =
          URI.create(
              router + "/decisions?request_id=" + URLEncoder.encode(id, StandardCharsets.UTF_8));
      Client.Reply r = client.send("GET", uri, headers, new byte[0], TIMEOUT);
      JsonNode said = Json.tree(r.body());
      if (!r.ok()) {
        System.err.println(
            "infini explain: " + Words.printable(said.path("error").path("message").asText()));
        return 1;
      }
      if (said.path("decisions").isEmpty()) {
        System.err.println("infini explain: " + unknown(id, keepsHistory(client, router, headers)));
        return 1;
      }
      return told(said.path("decisions"), router);
    } catch (IOException e) {
      System.err.println("infini explain: " + router + ": " + e.getMessage());
      return 1;
    }
  }

  private static boolean keepsHistory(Client client, URI router, Headers headers)
      throws InterruptedException {
    try {
      URI uri = URI.create(router + "/history");
      Client.Reply r = client.send("GET", uri, headers, new byte[0], TIMEOUT);
      return r.ok() && Json.tree(r.body()).path("on").asBoolean();
    } catch (IOException cannotBeAsked) {
      return false;
    }
  }

  /// What there is to say of a request that the router does not know.
  ///
  /// @param history whether it keeps one
  static String unknown(String id, boolean history) {
    return "the router does not remember "
        + Words.printable(id)
        + (history
            ? ": neither among its last requests nor in its history, which keeps a part of busy times (--history-rate)"
            : " (it keeps the last requests alone, --decisions says how many; a history, --history FILE, keeps those before, of busy times a part)");
  }

  private static int told(JsonNode decisions, URI router) {
    for (JsonNode d : decisions) {
      lines(d, router).forEach(System.out::println);
    }
    return 0;
  }

  /// One decision. Pure.
  static List<String> lines(JsonNode d, URI router) {
    List<String> out = new ArrayList<>();
    out.add(
        Words.text(d.path("request_id"))
            + "  "
            + Words.text(d.path("method"))
            + " "
            + Words.text(d.path("path"))
            + "  ended "
            + Words.text(d.path("time")));
    out.add("  model      " + Words.text(d.path("model")));
    out.add("  size       " + rule(d));
    out.add("  sent to    " + where(d));
    out.add("  ended      " + Words.text(d.path("outcome")) + ", " + d.path("status").asInt());
    JsonNode error = d.path("error");
    if (error.isObject()) {
      out.add(
          "  error      "
              + Words.text(error.path("code"))
              + ": "
              + Words.text(error.path("message")));
    }
    out.addAll(times(d));
    if (d.path("learned").isObject()) {
      out.add("  foretold   " + foretold(d.path("learned")));
    }
    out.add(
        "  tokens     prompt "
            + Words.count(d.path("prompt_tokens"))
            + " (cached "
            + Words.count(d.path("cached_tokens"))
            + "), answer "
            + Words.count(d.path("completion_tokens"))
            + ", "
            + Words.seconds(d.path("tpot_seconds"))
            + " a token");
    JsonNode all = d.path("candidates");
    out.add(
        "  candidates "
            + (all.isEmpty() ? "none" : "")
            + (d.path("candidates_total").asInt() > all.size()
                ? all.size() + " of " + d.path("candidates_total").asInt()
                : ""));
    for (JsonNode c : all) {
      String holds =
          c.path("capacity_tokens").isNumber()
              ? ", holds " + c.path("capacity_tokens").asLong() + " tokens"
              : "";
      out.add(
          "    "
              + Words.text(c.path("instance"))
              + " ("
              + Words.text(c.path("pool"))
              + holds
              + "): "
              + Words.text(c.path("why")));
    }
    if (d.path("trace_id").isTextual()) {
      out.add("  trace      " + Words.text(d.path("trace_id")));
    }
    out.add("  more       " + router + "/ui");
    return out;
  }

  private static String rule(JsonNode d) {
    long size = d.path("size").asLong();
    long threshold = d.path("threshold").asLong();
    String words = size + " (" + Words.text(d.path("metric")) + ")";
    if (threshold == 0 && !d.path("instance").isTextual()) {
      // it was refused before a rule was asked
      return words;
    }
    if (d.path("reason").asText().equals("learned")) {
      return words + "; learned costs decided, not the threshold of " + threshold;
    }
    return words
        + ", "
        + (size <= threshold ? "at most" : "above")
        + " the threshold of "
        + threshold;
  }

  private static String foretold(JsonNode learned) {
    return "first token after "
        + Words.seconds(learned.path("predicted_first_token_seconds"))
        + " since sending (it took "
        + Words.seconds(learned.path("first_token_seconds"))
        + "), each further one "
        + Words.seconds(learned.path("predicted_token_seconds"))
        + "; loss "
        + number(learned.path("loss"))
        + ", the fixed rule's choice "
        + number(learned.path("rule_loss"))
        + "; decides: "
        + Words.text(learned.path("decides"));
  }

  private static String number(JsonNode n) {
    return n.isNumber() ? n.asText() : "-";
  }

  private static String where(JsonNode d) {
    if (!d.path("instance").isTextual()) {
      return "nobody";
    }
    int attempts = d.path("attempts").asInt();
    List<String> failed = new ArrayList<>();
    d.path("failed_instances").forEach(f -> failed.add(Words.text(f)));
    return Words.text(d.path("instance"))
        + ", pool "
        + Words.text(d.path("pool"))
        + ", reason "
        + Words.text(d.path("reason"))
        + (attempts > 1 ? ", attempt " + attempts : "")
        + (failed.isEmpty() ? "" : ", after " + String.join(", ", failed));
  }

  private static List<String> times(JsonNode d) {
    double total = d.path("total_seconds").asDouble();
    double queue = d.path("queue_seconds").asDouble();
    boolean answered = d.path("ttft_seconds").isNumber();
    double first = answered ? d.path("ttft_seconds").asDouble() : total;
    double prefill = Math.max(0, first - queue);
    String words =
        "in line "
            + Words.seconds(queue)
            + ", to the first token "
            + (answered ? Words.seconds(prefill) : "-")
            + ", answer "
            + (answered ? Words.seconds(Math.max(0, total - first)) : "-")
            + ", in all "
            + Words.seconds(total);
    if (total <= 0) {
      return List.of("  time       " + words);
    }
    int q = (int) Math.round(BAR * Math.min(1, queue / total));
    int p = Math.min(BAR - q, (int) Math.round(BAR * Math.min(1, prefill / total)));
    return List.of(
        "  time       " + words,
        "             [" + ".".repeat(q) + "=".repeat(p) + "-".repeat(BAR - q - p) + "]");
  }
}
