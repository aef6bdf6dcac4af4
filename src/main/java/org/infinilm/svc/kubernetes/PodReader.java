package org.infinilm.svc.kubernetes;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodStatus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.http.BaseUrl;
import org.jspecify.annotations.Nullable;

/// Reads the instance that a pod is out of its labels and annotations `infinilm.org/...`, its ports
/// and its status. Pure.
/*
 * An annotation counts before a label of its name: labels hold no slashes and no commas, which names of models do.
 * What a pod may say of itself are figures and names. It may name no variable and no file of the router's: who may
 * start pods is not the owner of the router.
 */
final class PodReader {
  static final String PREFIX = "infinilm.org/";

  /// Ports of containers by which an instance is known, the first one first.
  private static final List<String> PORTS = List.of("openai", "http");

  /// What a pod says, and the option of `[[instance]]` that it is.
  private static final Map<String, String> OPTIONS =
      Map.of(
          "cache-type", "cache_type",
          "weight", "weight",
          "tier", "tier",
          "max-concurrency", "max_concurrency",
          "tls-server-name", "tls_server_name");

  /// What a pod says of how much it holds, and its name in metadata.
  private static final Map<String, String> FIGURES =
      Map.of(
          "max-model-len", "max_model_len",
          "max-cache-len", "max_cache_len",
          "num-blocks", "num_blocks",
          "block-size", "block_size",
          "max-batch-size", "max_batch_size");

  /// All that a pod may say.
  static final List<String> WORDS =
      Stream.of(
              OPTIONS.keySet().stream(),
              FIGURES.keySet().stream(),
              Stream.of("instance", "port", "scheme", "models", "drain"))
          .flatMap(s -> s)
          .sorted()
          .toList();

  private final boolean severalNamespaces;
  private final Source.Check check;

  /// @param severalNamespaces whether names of pods alone do not tell them apart
  PodReader(boolean severalNamespaces, Source.Check check) {
    this.severalNamespaces = severalNamespaces;
    this.check = check;
  }

  Read read(Pod pod) {
    ObjectMeta meta = pod.getMetadata();
    PodStatus status = pod.getStatus();
    String key = meta.getNamespace() + "/" + meta.getName();
    String uid = Objects.requireNonNullElse(meta.getUid(), "");
    long version = version(meta.getResourceVersion());
    String phase = status == null ? null : status.getPhase();
    String address = status == null ? null : status.getPodIP();
    boolean ended = "Succeeded".equals(phase) || "Failed".equals(phase);
    if (ended || address == null || address.isEmpty()) {
      return new Read(key, uid, version, null, null, ended, false);
    }
    boolean leaving = meta.getDeletionTimestamp() != null;
    Found found = null;
    String trouble = null;
    boolean ready = false;
    try {
      ready = isReady(status) && !leaving;
      ready &= !isDrained(meta, key);
      found = found(pod, key, address, ready);
      check.check(found);
    } catch (ConfigException e) {
      found = null;
      trouble = e.getMessage();
    } catch (RuntimeException e) {
      // what an API server leaves out that each pod has, one by one: nobody else's pods suffer
      found = null;
      trouble = "pod " + key + ": cannot be read: " + e;
    }
    return new Read(key, uid, version, found, trouble, false, ready);
  }

  private static boolean isReady(PodStatus status) {
    return status.getConditions() != null
        && status.getConditions().stream()
            .anyMatch(c -> "Ready".equals(c.getType()) && "True".equals(c.getStatus()));
  }

  private static boolean isDrained(ObjectMeta meta, String key) throws ConfigException {
    String said = said(meta, "drain");
    if (said == null || said.equals("false")) {
      return false;
    }
    if (said.equals("true")) {
      return true;
    }
    throw wrong(key, "drain", said, "true or false");
  }

  /// @throws ConfigException for what cannot be used
  private Found found(Pod pod, String key, String address, boolean ready) throws ConfigException {
    ObjectMeta meta = pod.getMetadata();
    for (String word : words(meta)) {
      if (!WORDS.contains(word)) {
        throw new ConfigException(
            "pod "
                + key
                + ": unknown "
                + PREFIX
                + word
                + Words.hint(word, WORDS)
                + " (expected: "
                + PREFIX
                + String.join(", ", WORDS)
                + ")");
      }
    }
    String scheme = Objects.requireNonNullElse(said(meta, "scheme"), "http");
    if (!scheme.equals("http") && !scheme.equals("https")) {
      throw wrong(key, "scheme", scheme, "http or https");
    }
    String url = scheme + "://" + BaseUrl.bracketed(address) + ":" + port(pod, key);
    Map<String, String> options = new TreeMap<>();
    options.put(
        "name", severalNamespaces ? meta.getNamespace() + "." + meta.getName() : meta.getName());
    OPTIONS.forEach((word, option) -> {
      String said = said(meta, word);
      if (said != null) {
        options.put(option, said);
      }
    });
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("pod", meta.getName());
    metadata.put("namespace", meta.getNamespace());
    for (Map.Entry<String, String> f : FIGURES.entrySet()) {
      String said = said(meta, f.getKey());
      if (said != null) {
        if (!said.matches("[1-9][0-9]{0,11}")) {
          throw wrong(key, f.getKey(), said, "a whole number of 1 or more");
        }
        metadata.put(f.getValue(), Long.parseLong(said));
      }
    }
    return new Found(
        url, options, null, ready, models(meta, key), metadata, option -> place(key, option));
  }

  private static @Nullable List<String> models(ObjectMeta meta, String key) throws ConfigException {
    String said = said(meta, "models");
    if (said == null) {
      return null;
    }
    List<String> out =
        Stream.of(said.split(",")).map(String::strip).filter(m -> !m.isEmpty()).toList();
    if (out.isEmpty()) {
      throw wrong(key, "models", said, "names with commas between");
    }
    return out;
  }

  private static int port(Pod pod, String key) throws ConfigException {
    String said = said(pod.getMetadata(), "port");
    if (said != null && said.matches("[0-9]{1,5}")) {
      int port = Integer.parseInt(said);
      if (port >= 1 && port <= 65535) {
        return port;
      }
    }
    Map<String, Integer> named = new HashMap<>();
    List<Integer> all = new ArrayList<>();
    PodSpec spec = pod.getSpec();
    for (Container c : spec == null ? List.<Container>of() : serving(spec)) {
      for (ContainerPort p : c.getPorts() == null ? List.<ContainerPort>of() : c.getPorts()) {
        if (p.getProtocol() != null && !p.getProtocol().equals("TCP")) {
          continue;
        }
        all.add(p.getContainerPort());
        if (p.getName() != null) {
          named.putIfAbsent(p.getName(), p.getContainerPort());
        }
      }
    }
    if (said != null) {
      Integer port = named.get(said);
      if (port == null) {
        throw wrong(key, "port", said, "1..65535, or the name of a container's port");
      }
      return port;
    }
    for (String name : PORTS) {
      Integer port = named.get(name);
      if (port != null) {
        return port;
      }
    }
    if (all.size() == 1) {
      return all.getFirst();
    }
    throw new ConfigException(
        "pod "
            + key
            + ": "
            + (all.isEmpty() ? "no port" : "ports " + all)
            + " (expected: "
            + PREFIX
            + "port, a container's port named openai or http, or one port alone)");
  }

  /// The containers that run as long as the pod: also sidecars, which are initial ones that are
  /// always started again.
  private static List<Container> serving(PodSpec spec) {
    List<Container> out = new ArrayList<>();
    if (spec.getContainers() != null) {
      out.addAll(spec.getContainers());
    }
    if (spec.getInitContainers() != null) {
      spec.getInitContainers().stream()
          .filter(c -> "Always".equals(c.getRestartPolicy()))
          .forEach(out::add);
    }
    return out;
  }

  private static Set<String> words(ObjectMeta meta) {
    Set<String> out = new TreeSet<>();
    for (Map<String, String> m :
        Stream.of(meta.getLabels(), meta.getAnnotations()).filter(Objects::nonNull).toList()) {
      for (String k : m.keySet()) {
        if (k.startsWith(PREFIX)) {
          out.add(k.substring(PREFIX.length()));
        }
      }
    }
    return out;
  }

  private static @Nullable String said(ObjectMeta meta, String word) {
    Map<String, String> annotations = meta.getAnnotations();
    String said = annotations == null ? null : annotations.get(PREFIX + word);
    Map<String, String> labels = meta.getLabels();
    return said != null || labels == null ? said : labels.get(PREFIX + word);
  }

  /// Where a pod says an option of `[[instance]]`.
  private static String place(String key, String option) {
    for (Map.Entry<String, String> o : OPTIONS.entrySet()) {
      if (o.getValue().equals(option)) {
        return "pod " + key + ": " + PREFIX + o.getKey();
      }
    }
    return "pod " + key + ": " + option;
  }

  private static ConfigException wrong(String key, String word, String said, String expected) {
    return new ConfigException(
        "pod " + key + ": " + PREFIX + word + ": " + said + " (expected: " + expected + ")");
  }

  static long version(@Nullable String resourceVersion) {
    return resourceVersion != null && resourceVersion.matches("[0-9]{1,18}")
        ? Long.parseLong(resourceVersion)
        : -1;
  }
}
