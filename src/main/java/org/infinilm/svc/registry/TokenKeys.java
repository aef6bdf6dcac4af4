package org.infinilm.svc.registry;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Secrets;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How the registry and the commands that speak to it are told its tokens: the same names for all.
public final class TokenKeys {
  private static final Logger log = LoggerFactory.getLogger(TokenKeys.class);

  public static final Key<String> TOKEN =
      Key.text("token", null, "Token for changes (Authorization: Bearer).")
          .orEnv("INFINI_REGISTRY_TOKEN")
          .shownFirst();
  public static final Key<String> READ_TOKEN =
      Key.text("read_token", null, "Token for reading; the one for changes reads as well.")
          .orEnv("INFINI_REGISTRY_READ_TOKEN");
  public static final Key<String> TOKEN_FILE =
      Key.path("token_file", null, "More tokens, a line each: write TOKEN, or read TOKEN.");

  /// What a program's list of keys takes in.
  public static final List<Key<String>> ALL = List.of(TOKEN, READ_TOKEN, TOKEN_FILE);

  private TokenKeys() {}

  /// All that were given.
  ///
  /// @throws ConfigException when the file cannot be read or holds something else; names the file
  ///   and the line, never a token
  static Tokens tokens(Config c) throws ConfigException {
    Wrongs wrong = new Wrongs();
    String write = wrong.<@Nullable String>of(() -> one(c, TOKEN), null);
    String read = wrong.<@Nullable String>of(() -> one(c, READ_TOKEN), null);
    Tokens kept = wrong.of(() -> ofFile(c), Tokens.NONE);
    wrong.end();
    return Tokens.of(write, read).and(kept);
  }

  private static Tokens ofFile(Config c) throws ConfigException {
    String file = c.find(TOKEN_FILE).orElse("");
    if (file.isEmpty()) {
      return Tokens.NONE;
    }
    String place = c.place(TOKEN_FILE) + ": " + file + ": ";
    try {
      Path path = Path.of(file);
      Tokens read = Tokens.parse(path);
      if (isOpenToOthers(path)) {
        log.warn("{}others may read it (chmod 600 closes it)", place);
      }
      return read;
    } catch (NoSuchFileException e) {
      throw new ConfigException(place + "no such file");
    } catch (IOException e) {
      throw new ConfigException(place + ConfigException.reason(e));
    } catch (IllegalArgumentException e) {
      throw new ConfigException(place + e.getMessage());
    }
  }

  private static @Nullable String one(Config c, Key<String> key) throws ConfigException {
    String value = c.find(key).orElse("");
    return value.isEmpty() ? null : Secrets.key(value, c.place(key));
  }

  /// The environment of a registry that has these tokens.
  public static Map<String, String> ofRegistry(Config c) {
    Map<String, String> out = new TreeMap<>();
    for (Key<String> key : ALL) {
      String value = c.find(key).orElse("");
      if (!value.isEmpty()) {
        String text = key.equals(TOKEN_FILE) ? Path.of(value).toAbsolutePath().toString() : value;
        out.put(key.env().isEmpty() ? key.envName() : key.env().getFirst(), text);
      }
    }
    return out;
  }

  /// The environment of a client of that registry.
  ///
  /// @param changes whether it registers, or reads only
  public static Map<String, String> ofClient(Config c, boolean changes) throws ConfigException {
    return (changes ? toChange(c) : toRead(c))
        .map(t -> Map.of(changes ? "INFINI_REGISTRY_TOKEN" : "INFINI_REGISTRY_READ_TOKEN", t))
        .orElse(Map.of());
  }

  /// What a client sends that only reads; empty when none was given.
  public static Optional<String> toRead(Config c) throws ConfigException {
    Tokens t = tokens(c);
    return Stream.concat(t.read().stream(), t.write().stream()).findFirst();
  }

  /// What a client sends that changes; a token for reading where there is no other.
  public static Optional<String> toChange(Config c) throws ConfigException {
    Tokens t = tokens(c);
    return Stream.concat(t.write().stream(), t.read().stream()).findFirst();
  }

  private static boolean isOpenToOthers(Path file) throws IOException {
    try {
      return Files.getPosixFilePermissions(file).stream()
          .anyMatch(
              p -> p == PosixFilePermission.GROUP_READ || p == PosixFilePermission.OTHERS_READ);
    } catch (UnsupportedOperationException notPosix) {
      return false;
    }
  }
}
