package org.infinilm.svc.cli;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.babysitter.BabysitterProgram;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.router.RouterProgram;

/// `infini config schema [PROGRAM]`: what a program's TOML file may hold, as JSON Schema (2020-12),
/// which editors read. Made of the same keys that the program reads.
final class ConfigSchema {
  static final Program PROGRAM =
      new Program(
          "config schema",
          "JSON Schema of a program's TOML file, for editors; the router's when PROGRAM is absent.",
          List.of(),
          Map.of(),
          "[PROGRAM]",
          false,
          ConfigSchema::run);

  private ConfigSchema() {}

  private static int run(Program.Args args) throws ConfigException {
    if (args.positionals().size() > 1) {
      throw new ConfigException(
          "config schema: " + args.positionals() + " (expected: one program at most)");
    }
    String name =
        args.positionals().isEmpty() ? RouterProgram.PROGRAM.name() : args.positionals().getFirst();
    System.out.println(Json.text(of(name, Main.PROGRAMS)));
    return 0;
  }

  static Map<String, Object> of(String name, List<Program> programs) throws ConfigException {
    List<Program> takers = programs.stream().filter(p -> p.takesFile() || isBabysitter(p)).toList();
    List<String> names = takers.stream().map(Program::name).toList();
    Program p =
        takers.stream()
            .filter(t -> t.name().equals(name))
            .findFirst()
            .orElseThrow(() ->
                new ConfigException(
                    "config schema: "
                        + name
                        + Words.hint(name, names)
                        + " (expected: one of "
                        + String.join(", ", names)
                        + ")"));
    Map<String, Object> out =
        new TreeMap<>(isBabysitter(p) ? BabysitterProgram.fileSchema() : flat(p));
    out.put("$schema", "https://json-schema.org/draft/2020-12/schema");
    out.put("title", "infini " + p.name());
    out.put("description", p.doc());
    return out;
  }

  /// Its file has tables of its own layout.
  private static boolean isBabysitter(Program p) {
    return p.name().equals(BabysitterProgram.PROGRAM.name());
  }

  private static Map<String, Object> flat(Program p) {
    Map<String, Object> properties = new TreeMap<>();
    p.keys().forEach(k -> properties.put(k.name(), property(k)));
    return Map.of("type", "object", "properties", properties, "additionalProperties", false);
  }

  private static Map<String, Object> property(Key<?> k) {
    Map<String, Object> m = new HashMap<>();
    m.put("description", k.doc());
    boolean text = "string".equals(k.type().schema().get("type"));
    if (k.pairs()) {
      Map<String, Object> table =
          Map.of(
              "type",
              "object",
              "additionalProperties",
              Map.of("type", List.of("string", "number")));
      m.put("anyOf", List.of(Map.of("type", "string"), table));
    } else if (text) {
      // a list is its parts with commas between
      m.put("type", List.of("string", "array"));
      m.put("items", Map.of("type", "string"));
    } else {
      m.putAll(k.type().schema());
    }
    k.defaultInJson().ifPresent(d -> m.put("default", d));
    return m;
  }
}
