package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// `infini instance ...` and `infini threshold`: a running router's actions, over HTTP.
public final class InstancePrograms {
  private static final Duration TIMEOUT = Duration.ofSeconds(15);
  private static final String INSTANCES = "/admin/instances";
  private static final Key<String> URL =
      Key.text("url", TopProgram.DEFAULT, "The router's address, http://host:port.");
  private static final Key<String> TOKEN =
      Key.text("admin_token", null, "The router's admin token.");
  private static final Key<Boolean> KEEP =
      Key.flag("keep", false, "Have it survive a restart; the router needs added_instances.");
  private static final Key<Boolean> JSON = Key.flag("json", false, "Print JSON.");
  private static final Key<String> MODEL =
      Key.text("model", null, "The model; all that have none of their own when absent.");

  private static final Key<String> MODEL_ASKED =
      Key.text("model", null, "The model; the one of most requests when absent.");

  /// What one of the commands asks the router for.
  private interface Ask {
    JsonNode of(Router router, String argument)
        throws ConfigException, IOException, InterruptedException;
  }

  public static final List<Program> PROGRAMS =
      List.of(
          one(
              "instance add",
              "Add a server to a running router: URL[,name=N][,cache_type=paged|static][,weight=W]... as with --instance.",
              "URL",
              List.of(KEEP),
              (r, spec) -> r.send("POST", INSTANCES, body(spec, r.config.get(KEEP)))),
          one(
              "instance rm",
              "Remove a server that was added; what is in flight ends.",
              "NAME",
              List.of(),
              (r, name) -> r.send("DELETE", at(name, ""), null)),
          one(
              "instance drain",
              "Send a server nothing new, at this router.",
              "NAME",
              List.of(),
              (r, name) -> r.send("POST", at(name, "/drain"), Map.of())),
          one(
              "instance undrain",
              "Take a drained server back.",
              "NAME",
              List.of(),
              (r, name) -> r.send("POST", at(name, "/undrain"), Map.of())),
          one(
              "instance weight",
              "Give a server another weight, or its own back: NAME=N, NAME=own.",
              "NAME=N",
              List.of(),
              (r, pair) -> {
                int eq = pair.lastIndexOf('=');
                if (eq < 1) {
                  throw new ConfigException("instance weight: " + pair + " (expected: NAME=N)");
                }
                Object w = number("weight", pair.substring(eq + 1), "own");
                return r.send("POST", at(pair.substring(0, eq), "/weight"), one("weight", w));
              }),
          new Program(
              "instance list",
              "The router's servers, their states and why they are out.",
              TlsSettings.andClient(URL, TOKEN, JSON),
              Map.of(),
              "",
              false,
              InstancePrograms::list),
          one(
              "threshold",
              "Set the size rule's threshold at a running router, or take the file's back: N, or own.",
              "N",
              List.of(MODEL),
              (r, n) -> {
                Map<String, Object> m = one("threshold", number("threshold", n, "own"));
                r.config.find(MODEL).ifPresent(model -> m.put("model", model));
                return r.send("POST", "/admin/threshold", m);
              }),
          new Program(
              "whatif",
              "What the last requests would have come to at other thresholds, at N too when it is given; changes nothing.",
              TlsSettings.andClient(URL, TOKEN, MODEL_ASKED, JSON),
              Map.of(),
              "[N]",
              false,
              InstancePrograms::whatIf));

  private InstancePrograms() {}

  private static Program one(
      String name, String doc, String positional, List<Key<?>> more, Ask ask) {
    List<Key<?>> keys = new ArrayList<>(TlsSettings.andClient(URL, TOKEN));
    keys.addAll(more);
    return new Program(
        name, doc, keys, Map.of(), positional, false, args -> run(name, positional, ask, args));
  }

  private static int run(String name, String positional, Ask ask, Program.Args args)
      throws ConfigException, InterruptedException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          name + ": " + args.positionals() + " (expected: one " + positional + ")");
    }
    return asked(
        name,
        args.config(),
        router -> {
          JsonNode said = ask.of(router, args.positionals().getFirst());
          System.out.println(words(said));
        });
  }

  private interface Talk {
    void with(Router router) throws ConfigException, IOException, InterruptedException;
  }

  private static int asked(String name, Config config, Talk talk)
      throws ConfigException, InterruptedException {
    URI at = TopProgram.address(config.get(URL));
    try (Client client = Client.create().with(TlsSettings.client(config))) {
      talk.with(new Router(client, at, config));
      return 0;
    } catch (IOException e) {
      System.err.println("infini " + name + ": " + at + ": " + e.getMessage());
      return 1;
    }
  }

  /// The router that is asked.
  private record Router(Client client, URI at, Config config) {
    JsonNode send(String method, String path, @Nullable Object body)
        throws ConfigException, IOException, InterruptedException {
      Headers h =
          Headers.bearer(config.find(TOKEN).orElse(null)).with("content-type", "application/json");
      byte[] bytes = body == null ? new byte[0] : Json.bytes(body);
      Client.Reply r = client.send(method, URI.create(at + path), h, bytes, TIMEOUT);
      JsonNode said = Json.tree(r.body());
      if (!r.ok()) {
        String why = Words.printable(said.path("error").path("message").asText());
        throw new IOException(why.isEmpty() ? "HTTP " + r.status() : why);
      }
      return said;
    }
  }

  private static String at(String name, String action) {
    return INSTANCES
        + "/"
        + URLEncoder.encode(name, StandardCharsets.UTF_8).replace("+", "%20")
        + action;
  }

  /// What the router takes of `URL,name=N,...`.
  static Map<String, Object> body(String spec, boolean keep) throws ConfigException {
    String[] parts = spec.split(",");
    Map<String, Object> m = one("url", parts[0]);
    for (int k = 1; k < parts.length; k++) {
      int eq = parts[k].indexOf('=');
      if (eq < 1) {
        throw new ConfigException("instance add: " + parts[k] + " (expected: KEY=VALUE)");
      }
      m.put(parts[k].substring(0, eq), parts[k].substring(eq + 1));
    }
    if (keep) {
      m.put("keep", true);
    }
    return m;
  }

  private static Map<String, Object> one(String key, @Nullable Object value) {
    Map<String, Object> m = new HashMap<>();
    m.put(key, value);
    return m;
  }

  private static @Nullable Object number(String what, String text, String none)
      throws ConfigException {
    if (text.equals(none)) {
      return null;
    }
    if (!text.matches("[0-9]{1,18}")) {
      throw new ConfigException(
          what + ": " + text + " (expected: a whole number, or " + none + ")");
    }
    return Long.valueOf(text);
  }

  /// `instance a: drained true`.
  private static String words(JsonNode said) {
    Map<String, String> m = new TreeMap<>();
    said.properties().forEach(e -> m.put(e.getKey(), Words.printable(e.getValue().asText())));
    String of = m.containsKey("instance") ? "instance" : "model";
    String name = m.getOrDefault(of, "");
    m.remove(of);
    List<String> rest = new ArrayList<>();
    m.forEach((k, v) -> rest.add(k + " " + (v.equals("null") ? "its own again" : v)));
    return (name.equals("null") ? "all models" : of + " " + name) + ": " + String.join(", ", rest);
  }

  private static int list(Program.Args args) throws ConfigException, InterruptedException {
    return asked(
        "instance list",
        args.config(),
        router -> {
          JsonNode said = router.send("GET", "/services", null);
          if (args.config().get(JSON)) {
            System.out.println(Json.text(said.path("services")));
          } else {
            print(said.path("services"), System.out);
          }
        });
  }

  private static int whatIf(Program.Args args) throws ConfigException, InterruptedException {
    List<String> numbers = args.positionals();
    if (numbers.size() > 1 || (numbers.size() == 1 && !numbers.getFirst().matches("[0-9]{1,18}"))) {
      throw new ConfigException(
          "whatif: " + String.join(" ", numbers) + " (expected: one whole number, or none)");
    }
    String threshold = numbers.isEmpty() ? "" : "threshold=" + numbers.getFirst();
    String model =
        args.config()
            .find(MODEL_ASKED)
            .map(m -> "&model=" + URLEncoder.encode(m, StandardCharsets.UTF_8))
            .orElse("");
    return asked(
        "whatif",
        args.config(),
        router -> {
          JsonNode said = router.send("GET", "/whatif?" + threshold + model, null);
          if (args.config().get(JSON)) {
            System.out.println(Json.text(said));
          } else if (!said.path("on").asBoolean()) {
            throw new IOException(Words.printable(said.path("message").asText()));
          } else {
            WhatIfTable.print(said, System.out);
          }
        });
  }

  static void print(JsonNode services, PrintStream out) {
    List<String[]> rows = new ArrayList<>();
    rows.add(
        new String[] {"NAME", "STATE", "IN FLIGHT", "QUEUED", "WEIGHT", "TIER", "FROM", "URL", ""});
    for (JsonNode s : services) {
      rows.add(
          new String[] {
            Words.printable(s.path("name").asText()),
            s.path("state").asText(),
            s.path("in_flight").asText(),
            s.path("queued").asText(),
            s.path("weight").asText(),
            s.path("tier").asText(),
            s.path("source").asText(),
            Words.printable(s.path("url").asText()),
            Words.printable(s.path("why_out").asText("").replace("null", ""))
          });
    }
    table(rows, out);
  }

  /// In columns as wide as their widest.
  static void table(List<String[]> rows, PrintStream out) {
    int[] width = new int[rows.getFirst().length];
    for (String[] row : rows) {
      for (int k = 0; k < width.length; k++) {
        width[k] = Math.max(width[k], row[k].length());
      }
    }
    for (String[] row : rows) {
      StringBuilder b = new StringBuilder();
      for (int k = 0; k < width.length; k++) {
        b.append(row[k]).append(" ".repeat(width[k] - row[k].length() + 2));
      }
      out.println(b.toString().stripTrailing());
    }
  }
}
