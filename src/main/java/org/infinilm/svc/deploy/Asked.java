package org.infinilm.svc.deploy;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.infinilm.svc.deploy.Inherited.Setting;

/// The settings that a deployment was started with, kept beside it, so that another `infini up` can
/// tell that it was asked for something else. Of secrets only a salted hash is kept, in a file of
/// this user's alone.
///
/// @param values by the names of settings
/// @param secrets of this process alone, by their names, never shown; contents of files as well
/// @param inherited those of the values that come from variables which the parts read
record Asked(
    Map<String, String> values, Map<String, String> secrets, Map<String, Setting> inherited) {
  private static final String SEALED = "sealed:";
  private static final Pattern SECRET =
      Pattern.compile(".*(TOKEN|KEY|SECRET|PASSWORD|OTLP.*HEADERS).*");

  Asked {
    values = Map.copyOf(values);
    secrets = Map.copyOf(secrets);
    inherited = Map.copyOf(inherited);
  }

  Asked(Map<String, String> values) {
    this(values, Map.of(), Map.of());
  }

  /// These settings, and those that the parts read of the environment where these say nothing.
  ///
  /// @param secrets among the settings; they are told apart by value and named without
  static Asked of(
      Map<String, String> settings, Map<String, String> secrets, List<Setting> inherited) {
    Map<String, String> all = new TreeMap<>(settings);
    Map<String, String> hidden = new TreeMap<>(secrets);
    Map<String, Setting> kept = new TreeMap<>();
    for (Setting s : inherited) {
      if (SECRET.matcher(s.variable()).matches()) {
        hidden.put(s.variable(), s.value());
      } else if (all.putIfAbsent(s.name(), s.value()) == null) {
        kept.put(s.name(), s);
      }
    }
    return new Asked(all, hidden, kept);
  }

  /// What may be written down.
  ///
  /// @param salt another one for each deployment
  Asked sealed(String salt) {
    Map<String, String> all = new TreeMap<>(values);
    secrets.forEach((name, secret) -> all.put(name, seal(salt, name, secret)));
    return new Asked(all);
  }

  private static String seal(String salt, String name, String secret) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update((salt + "\0" + name + "\0").getBytes(StandardCharsets.UTF_8));
      byte[] hash = digest.digest(secret.getBytes(StandardCharsets.UTF_8));
      return SEALED + salt + ":" + HexFormat.of().formatHex(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static boolean isSealed(String name, String secret, String seal) {
    String[] parts = seal.split(":", 3);
    return seal.startsWith(SEALED)
        && parts.length == 3
        && seal(parts[1], name, secret).equals(seal);
  }

  /// Without the secrets.
  @Override
  public String toString() {
    return "Asked" + values;
  }

  /// What is asked for now and is not what runs, a line each; what is not asked for now may be as
  /// it is.
  ///
  /// @param running what the deployment was started with
  List<String> besides(Asked running) {
    List<String> out = new ArrayList<>();
    new TreeMap<>(values)
        .forEach((name, value) -> {
          String has = running.values.get(name);
          Setting from = inherited.get(name);
          boolean same =
              has == null
                  ? from != null && from.defaults().equals(Set.of(value))
                  : has.equals(value);
          if (!same) {
            String said = from == null ? name : from.variable();
            String runs = has == null ? "its default" : has;
            out.add(said + ": it runs with " + runs + ", you asked for " + value);
          }
        });
    new TreeMap<>(secrets)
        .forEach((name, secret) -> {
          String has = running.values.get(name);
          if (has == null) {
            out.add(name + ": it runs without, you asked for one");
          } else if (!isSealed(name, secret, has)) {
            out.add(name + ": it runs with another than you asked for");
          }
        });
    return out;
  }
}
