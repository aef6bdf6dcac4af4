package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.TomlFile;
import org.jspecify.annotations.Nullable;

/// What the router's file says of one client's key: never the key itself. Immutable.
///
/// @param name what logs and metrics call it
/// @param hash SHA-256 of the key, 64 hexadecimal digits
/// @param models names that it may ask for; all when empty
/// @param expires from when on it opens nothing, or null
record ClientKey(
    String name,
    String hash,
    Set<String> models,
    Allowance.Limits limits,
    @Nullable Instant expires) {
  private static final String PREFIX = "ik-";
  private static final String HASH = "sha256:";
  private static final int KEY_BYTES = 32;
  private static final int MOST_KEYS = 10_000;
  private static final long MOST_TOKENS = 1_000_000_000_000L;
  private static final String NAMES = "1 to 64 of A-Z, a-z, 0-9, dot, hyphen and underscore";
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Pattern DIGEST = Pattern.compile(HASH + "[0-9a-f]{64}");

  /// What JSON Schema says of its fields.
  static final Map<String, Object> SCHEMA =
      Map.of(
          "name", Map.of("type", "string", "pattern", "^" + NAME.pattern() + "$"),
          "hash", Map.of("type", "string", "pattern", "^" + DIGEST.pattern() + "$"),
          "models", Map.of("type", "array", "items", Map.of("type", "string"), "minItems", 1),
          "max_in_flight", Map.of("type", "integer", "minimum", 1),
          "requests_per_minute", Map.of("type", "integer", "minimum", 1),
          "tokens_per_minute", Map.of("type", "integer", "minimum", 1),
          "expires", Map.of("type", "string"));

  /// Reads the tables `[[keys]]`.
  ///
  /// @throws ConfigException names file and line, never what stands for a hash
  static List<ClientKey> of(List<TomlFile> tables) throws ConfigException {
    if (tables.size() > MOST_KEYS) {
      throw new ConfigException(
          tables.getLast().place()
              + ": "
              + tables.size()
              + " keys (expected: at most "
              + MOST_KEYS
              + ")");
    }
    List<ClientKey> out = new ArrayList<>();
    Map<String, String> names = new HashMap<>();
    Map<String, String> hashes = new HashMap<>();
    Wrongs wrong = new Wrongs();
    for (TomlFile t : tables) {
      wrong.in(() -> out.add(of(t)));
      wrong.in(() -> {
        String name = nameOf(t);
        String before = names.put(name, t.place("name"));
        if (before != null) {
          throw t.wrong("name", "a name of its own; " + before + " has the same");
        }
      });
      wrong.in(() -> {
        String before = hashes.put(digestOf(t), t.has("name") ? nameOf(t) : t.place());
        if (before != null) {
          throw t.wrong("hash", "a key of its own; " + before + " has the same");
        }
      });
    }
    wrong.end();
    return List.copyOf(out);
  }

  private static ClientKey of(TomlFile t) throws ConfigException {
    Wrongs wrong = new Wrongs();
    wrong.in(() -> t.allow(SCHEMA.keySet()));
    String name = wrong.of(() -> nameOf(t), "");
    String digest = wrong.of(() -> digestOf(t), "");
    Set<String> models = wrong.of(() -> modelsOf(t), Set.of());
    Allowance.Limits limits =
        new Allowance.Limits(
            wrong.of(() -> limit(t, "max_in_flight", 1_000_000), 0L),
            wrong.of(() -> limit(t, "requests_per_minute", 1_000_000_000), 0L),
            wrong.of(() -> limit(t, "tokens_per_minute", MOST_TOKENS), 0L));
    Instant expires = wrong.<@Nullable Instant>of(() -> t.moment("expires"), null);
    wrong.end();
    return new ClientKey(name, digest, models, limits, expires);
  }

  private static String nameOf(TomlFile t) throws ConfigException {
    String name = t.text("name");
    if (name == null || !NAME.matcher(name).matches()) {
      throw t.has("name") ? t.wrong("name", NAMES) : missing(t, "name", "name = \"...\"");
    }
    return name;
  }

  private static String digestOf(TomlFile t) throws ConfigException {
    String hash = t.text("hash");
    if (hash == null) {
      throw missing(t, "hash", "hash = \"" + HASH + "...\", as \"infini key new\" prints it");
    }
    if (!DIGEST.matcher(hash).matches()) {
      throw t.wrong("hash", HASH + " and 64 hexadecimal digits, as \"infini key new\" prints them");
    }
    return hash.substring(HASH.length());
  }

  private static Set<String> modelsOf(TomlFile t) throws ConfigException {
    List<String> models = t.texts("models");
    if (models != null && (models.isEmpty() || models.contains(""))) {
      throw t.wrong("models", "names of models, or no such line for all of them");
    }
    return models == null ? Set.of() : Set.copyOf(models);
  }

  private static ConfigException missing(TomlFile t, String what, String expected) {
    return new ConfigException(
        t.place() + ": a key without its " + what + " (expected: " + expected + ")");
  }

  private static long limit(TomlFile t, String field, long most) throws ConfigException {
    Long n = t.whole(field, 1, most);
    return n == null ? 0 : n;
  }

  /// A name that a key may have.
  static String name(String name) throws ConfigException {
    if (!NAME.matcher(name).matches()) {
      throw new ConfigException("key new: " + name + " (expected: " + NAMES + ")");
    }
    return name;
  }

  /// Whether it may ask for a model under this name.
  boolean opens(String model) {
    return models.isEmpty() || models.contains(model);
  }

  /// A key that nobody has: 256 random bits.
  static String fresh(RandomGenerator random) {
    byte[] bytes = new byte[KEY_BYTES];
    random.nextBytes(bytes);
    return PREFIX + Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /// What the file says of a key.
  static String hashLine(String key) {
    return HASH + HexFormat.of().formatHex(sha256().digest(key.getBytes(US_ASCII)));
  }

  /// A new key as it is shown, once.
  static String printed(String name, String key) {
    return """
    for the client, shown this once:
    %s

    for the router's file:
    [[keys]]
    name = "%s"
    hash = "%s\"\
    """
        .formatted(key, name, hashLine(key));
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
