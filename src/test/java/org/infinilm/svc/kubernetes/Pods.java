package org.infinilm.svc.kubernetes;

import io.fabric8.kubernetes.api.model.ContainerPortBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Pods for tests.
public final class Pods {
  private Pods() {}

  /// A pod that serves at port 8100 of an address.
  static Pod ready(String name, String address, long version) {
    return pod(name, "uid-" + name, address, version, true, Map.of(), Map.of("openai", 8100));
  }

  static Pod unready(String name, String address, long version) {
    return pod(name, "uid-" + name, address, version, false, Map.of(), Map.of("openai", 8100));
  }

  static Pod leaving(String name, String address, long version) {
    return leaving(ready(name, address, version));
  }

  /// @param said `infinilm.org/...`, without the prefix
  static Pod saying(String name, String address, long version, Map<String, String> said) {
    return pod(name, "uid-" + name, address, version, true, said, Map.of("openai", 8100));
  }

  public static Pod pod(
      String name,
      String uid,
      String address,
      long version,
      boolean ready,
      Map<String, String> said,
      Map<String, Integer> ports) {
    Map<String, String> annotations = new HashMap<>();
    said.forEach((k, v) -> annotations.put(PodReader.PREFIX + k, v));
    return new PodBuilder()
        .withNewMetadata()
        .withNamespace("llm")
        .withName(name)
        .withUid(uid)
        .withResourceVersion(String.valueOf(version))
        .withLabels(Map.of("infinilm.org/instance", "true"))
        .withAnnotations(annotations)
        .endMetadata()
        .withNewSpec()
        .addNewContainer()
        .withName("engine")
        .withImage("engine")
        .withPorts(
            ports.entrySet().stream()
                .map(p ->
                    new ContainerPortBuilder()
                        .withName(p.getKey().isEmpty() ? null : p.getKey())
                        .withContainerPort(p.getValue())
                        .build())
                .toList())
        .endContainer()
        .endSpec()
        .withNewStatus()
        .withPhase("Running")
        .withPodIP(address.isEmpty() ? null : address)
        .addNewCondition()
        .withType("Ready")
        .withStatus(ready ? "True" : "False")
        .endCondition()
        .endStatus()
        .build();
  }

  /// The same, on its way out.
  public static Pod leaving(Pod p) {
    return new PodBuilder(p)
        .editMetadata()
        .withDeletionTimestamp("2026-11-29T10:00:00Z")
        .endMetadata()
        .build();
  }

  static List<Read> read(Pod... all) {
    PodReader r = new PodReader(false, f -> {});
    return List.of(all).stream().map(r::read).toList();
  }
}
