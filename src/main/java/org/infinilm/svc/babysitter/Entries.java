package org.infinilm.svc.babysitter;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.registry.Registration;

/// The two entries of an instance in the registry: `NAME`, the babysitter at port + 1, and
/// `NAME-server`, the server at its port.
final class Entries {
  private static final String BABYSITTER = "enhanced";

  /// This process, as a registrant.
  static final String INCARNATION = UUID.randomUUID().toString();

  /// By which a router shows that it has read this process's entry.
  static final String WAKE_KEY = UUID.randomUUID().toString();

  /// Of more models only ids and lengths are registered: vLLM says 20 things of each.
  private static final int MANY_MODELS = 100;

  private static final int MOST_DESCRIBED = 2000;

  private Entries() {}

  static Registration management(Settings s) {
    Map<String, Object> metadata = new TreeMap<>();
    metadata.put("babysitter", BABYSITTER);
    metadata.put("type", s.backend().type().word());
    return entry(s, s.name(), ownUrl(s, host(s)), s.ownPort(), metadata, 1);
  }

  /// @param models the server's own model objects; configured ids where it lists none
  /// @param restarts starts of the server after the first one
  static Registration server(Settings s, List<Map<String, Object>> models, long restarts) {
    Map<String, Object> metadata = new TreeMap<>();
    metadata.put("babysitter", BABYSITTER);
    metadata.put("models", models.stream().map(m -> m.get("id")).toList());
    if (models.size() <= MOST_DESCRIBED) {
      metadata.put("models_list", listed(models));
    }
    metadata.put("parent_service", s.name());
    metadata.put("type", "openai-api");
    CacheType cache = s.backend().cacheType();
    if (cache != null) {
      metadata.put("cache_type", cache.label());
    }
    String key = s.backend().apiKeyEnv();
    if (key != null) {
      metadata.put("api_key_env", key);
    }
    metadata.putAll(capacity(s));
    metadata.putAll(s.metadata());
    metadata.put(Registration.RESTARTS, restarts);
    if (s.demand() != null) {
      metadata.put(Registration.ON_DEMAND, true);
      metadata.put(Registration.WAKE_KEY, WAKE_KEY);
    }
    if (s.tls().listens()) {
      metadata.put(Registration.BABYSITTER_SCHEME, s.tls().scheme());
    }
    return entry(s, s.serverName(), url(host(s), s.port()), s.port(), metadata, s.weight());
  }

  /// What is told of the models beside their ids: all that the server says, or of many (adapters,
  /// by the hundred) what a reader needs, so that the registry takes it.
  static List<Map<String, Object>> listed(List<Map<String, Object>> models) {
    return models.size() <= MANY_MODELS ? models : brief(models);
  }

  /// Of each model what tells it from others: servers word the rest anew with every answer.
  static List<Map<String, Object>> brief(List<Map<String, Object>> models) {
    return models.stream()
        .<Map<String, Object>>map(m -> {
          Map<String, Object> kept = new TreeMap<>();
          for (String k : ModelList.BRIEF) {
            if (m.get(k) != null) {
              kept.put(k, m.get(k));
            }
          }
          return kept;
        })
        .toList();
  }

  /// Model objects for configured ids.
  static List<Map<String, Object>> configured(List<String> models) {
    return models.stream().map(BackendClient::model).toList();
  }

  /// What the arguments say about the size of the cache, by the flags of InfiniLM's server: tokens
  /// of the one sequence, or blocks and tokens a block.
  private static Map<String, Object> capacity(Settings s) {
    Object said = s.metadata().get("cache_type");
    CacheType cache = said == null ? s.backend().cacheType() : CacheType.parse(said);
    Map<String, Object> out = new LinkedHashMap<>();
    if (cache != CacheType.PAGED) {
      number(s.backend().args(), "max_cache_len").ifPresent(n -> out.put("max_cache_len", n));
    }
    if (cache != CacheType.STATIC) {
      number(s.backend().args(), "num_blocks").ifPresent(n -> out.put("num_blocks", n));
      number(s.backend().args(), "block_size").ifPresent(n -> out.put("block_size", n));
    }
    return out;
  }

  /// The value of `--name N`, `--name=N`, dashes or underscores; the last one counts.
  private static Optional<Long> number(List<String> args, String name) {
    Optional<Long> found = Optional.empty();
    for (int i = 0; i < args.size(); i++) {
      String a = args.get(i);
      int eq = a.indexOf('=');
      String flag = (eq < 0 ? a : a.substring(0, eq)).replace('-', '_');
      if (flag.equals("__" + name)) {
        String value = eq >= 0 ? a.substring(eq + 1) : i + 1 < args.size() ? args.get(i + 1) : "";
        if (value.matches("[0-9]{1,15}")) {
          found = Optional.of(Long.parseLong(value));
        }
      }
    }
    return found;
  }

  private static Registration entry(
      Settings s, String name, String url, int port, Map<String, Object> metadata, int weight) {
    return new Registration(
        name, host(s), port, host(s), url, Standing.RUNNING, metadata, weight, INCARNATION);
  }

  private static String host(Settings s) {
    return s.addresses().advertise();
  }

  /// Where the babysitter itself answers.
  static String ownUrl(Settings s, String host) {
    return url(s.tls().scheme(), host, s.ownPort());
  }

  static String url(String host, int port) {
    return url("http", host, port);
  }

  private static String url(String scheme, String host, int port) {
    return scheme + "://" + BaseUrl.bracketed(host) + ":" + port;
  }
}
