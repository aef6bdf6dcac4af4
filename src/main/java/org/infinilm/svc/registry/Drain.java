package org.infinilm.svc.registry;

import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;

/// `infini drain NAME`: takes an instance out of service gently. Its requests in flight go on; the
/// router sends it no new ones.
final class Drain {
  private static final String SUFFIX = "-server";
  private static final Key<String> REGISTRY_URL =
      Key.text("registry_url", "http://127.0.0.1:18000", "Address of the registry.");
  private static final Key<Boolean> UNDO =
      Key.flag("undo", false, "Put the instance back in service.");

  static final Program PROGRAM =
      new Program(
          "drain",
          "Take an instance out of service gently, through the registry.",
          List.of(REGISTRY_URL, UNDO, RegistryProgram.TOKEN),
          Map.of(),
          "NAME",
          false,
          Drain::run);

  private Drain() {}

  private static int run(Program.Args args) throws Exception {
    Config c = args.config();
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "drain: " + args.positionals().size() + " names given (expected: one NAME)");
    }
    URI base = address(c.get(REGISTRY_URL));
    try (Client http = Client.create()) {
      RegistryClient registry =
          new RegistryClient(http, base, c.find(RegistryProgram.TOKEN).orElse(null));
      return run(registry, args.positionals().getFirst(), c.get(UNDO));
    }
  }

  static int run(RegistryClient registry, String name, boolean undo)
      throws IOException, InterruptedException {
    Map<String, Service> known = new TreeMap<>();
    registry.services().forEach(s -> known.put(s.name(), s));
    String base = name.endsWith(SUFFIX) ? name.substring(0, name.length() - SUFFIX.length()) : name;
    String status = undo ? Entry.RUNNING : Entry.DRAINING;
    int done = 0;
    for (String n : List.of(base + SUFFIX, base)) {
      Service s = known.get(n);
      if (s != null && registry.setStatus(n, status)) {
        System.out.println(n + ": " + s.status() + " -> " + status);
        done++;
      }
    }
    if (done == 0) {
      System.err.println(
          "drain: "
              + name
              + ": no such service (registered: "
              + (known.isEmpty() ? "none" : String.join(", ", known.keySet()))
              + ")");
      return 1;
    }
    return 0;
  }

  private static URI address(String text) throws ConfigException {
    try {
      URI u = URI.create(text);
      if ("http".equalsIgnoreCase(u.getScheme()) && u.getRawAuthority() != null) {
        return u;
      }
    } catch (IllegalArgumentException notAnAddress) {
      // falls through to the one message
    }
    throw new ConfigException("--registry-url: " + text + " (expected: http://host:port)");
  }
}
