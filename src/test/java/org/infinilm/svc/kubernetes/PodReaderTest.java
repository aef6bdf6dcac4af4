package org.infinilm.svc.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.discovery.Found;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PodReaderTest {
  private final PodReader reader = new PodReader(false, f -> {});

  private Found found(Pod p) {
    Read r = reader.read(p);
    assertThat(r.trouble()).isNull();
    assertThat(r.found()).isNotNull();
    return r.found();
  }

  @Test
  void whatAPodSays() {
    Found f =
        found(
            Pods.saying(
                "paged-0",
                "10.1.0.7",
                5,
                Map.of(
                    "cache-type", "paged",
                    "models", "org/a, b",
                    "weight", "3",
                    "tier", "1",
                    "max-concurrency", "16",
                    "num-blocks", "1024",
                    "block-size", "16",
                    "port", "8000")));
    assertThat(f.url()).isEqualTo("http://10.1.0.7:8000");
    assertThat(f.options())
        .isEqualTo(
            Map.of(
                "name",
                "paged-0",
                "cache_type",
                "paged",
                "weight",
                "3",
                "tier",
                "1",
                "max_concurrency",
                "16"));
    assertThat(f.models()).isEqualTo(List.of("org/a", "b"));
    assertThat(f.metadata()).containsEntry("num_blocks", 1024L).containsEntry("block_size", 16L);
    assertThat(f.ready()).isTrue();
    assertThat(f.place().apply("cache_type")).isEqualTo("pod llm/paged-0: infinilm.org/cache-type");
  }

  @Test
  void portsOfOtherProtocolsAreNoneAndThoseOfSidecarsAre() {
    Pod p =
        new PodBuilder(Pods.pod("a", "u", "10.0.0.1", 1, true, Map.of(), Map.of("", 9000)))
            .editSpec()
            .editFirstContainer()
            .addNewPort()
            .withContainerPort(4789)
            .withProtocol("UDP")
            .endPort()
            .endContainer()
            .endSpec()
            .build();
    assertThat(found(p).url()).isEqualTo("http://10.0.0.1:9000");
    Pod beside =
        new PodBuilder(p)
            .editSpec()
            .addNewInitContainer()
            .withName("engine")
            .withRestartPolicy("Always")
            .addNewPort()
            .withName("openai")
            .withContainerPort(8100)
            .endPort()
            .endInitContainer()
            .addNewInitContainer()
            .withName("before")
            .addNewPort()
            .withName("openai")
            .withContainerPort(1)
            .endPort()
            .endInitContainer()
            .endSpec()
            .build();
    assertThat(found(beside).url()).isEqualTo("http://10.0.0.1:8100");
  }

  @Test
  void anAnnotationCountsBeforeALabel() {
    Pod p =
        new PodBuilder(Pods.saying("a", "10.0.0.1", 1, Map.of("cache-type", "static")))
            .editMetadata()
            .addToLabels("infinilm.org/cache-type", "paged")
            .addToLabels("infinilm.org/weight", "2")
            .endMetadata()
            .build();
    assertThat(found(p).options())
        .containsEntry("cache_type", "static")
        .containsEntry("weight", "2");
  }

  @Test
  void theNamespaceIsPartOfTheNameWhereThereAreSeveral() {
    Read r = new PodReader(true, f -> {}).read(Pods.ready("a", "10.0.0.1", 1));
    assertThat(r.found().options()).containsEntry("name", "llm.a");
  }

  @Test
  void portsByNameAndAlone() {
    assertThat(found(port(Map.of("metrics", 9, "http", 8, "openai", 7), Map.of())).url())
        .endsWith(":7");
    assertThat(found(port(Map.of("metrics", 9, "http", 8), Map.of())).url()).endsWith(":8");
    assertThat(found(port(Map.of("", 9), Map.of())).url()).endsWith(":9");
    assertThat(found(port(Map.of("metrics", 9, "http", 8), Map.of("port", "metrics"))).url())
        .endsWith(":9");
    assertThat(found(port(Map.of("http", 8), Map.of("scheme", "https"))).url())
        .isEqualTo("https://10.0.0.1:8");
    assertThat(reader.read(port(Map.of(), Map.of())).trouble())
        .isEqualTo(
            "pod llm/a: no port (expected: infinilm.org/port, a container's port named openai or http, or one port alone)");
    assertThat(reader.read(port(Map.of("a", 1, "b", 2), Map.of())).trouble())
        .contains("ports [")
        .contains("one port alone");
  }

  private static Pod port(Map<String, Integer> ports, Map<String, String> said) {
    return Pods.pod("a", "u", "10.0.0.1", 1, true, said, ports);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "port | 0 | infinilm.org/port: 0 (expected: 1..65535, or the name of a container's port)",
        "port | nobody | infinilm.org/port: nobody (expected: 1..65535, or",
        "scheme | ftp | infinilm.org/scheme: ftp (expected: http or https)",
        "cache-tpye | paged | unknown infinilm.org/cache-tpye (did you mean \"cache-type\"?)",
        "num-blocks | -1 | infinilm.org/num-blocks: -1 (expected: a whole number of 1 or more)",
        "models | , | infinilm.org/models: , (expected: names with commas between)",
        "drain | maybe | infinilm.org/drain: maybe (expected: true or false)",
        "api-key-env | HOME | unknown infinilm.org/api-key-env",
      })
  void whatIsWrongIsNamed(String word, String said, String message) {
    Read r = reader.read(Pods.saying("a", "10.0.0.1", 1, Map.of(word, said)));
    assertThat(r.found()).isNull();
    assertThat(r.trouble()).startsWith("pod llm/a: ").contains(message);
  }

  @Test
  void whatTheRouterRefusesIsNamedToo() {
    PodReader strict =
        new PodReader(
            false,
            f -> {
              throw new ConfigException(f.place().apply("cache_type") + ": pagde");
            });
    assertThat(strict.read(Pods.ready("a", "10.0.0.1", 1)).trouble())
        .isEqualTo("pod llm/a: infinilm.org/cache-type: pagde");
  }

  @Test
  void whoLeavesIsDrainedOrHasNoAddressIsNotAsked() {
    assertThat(reader.read(Pods.leaving("a", "10.0.0.1", 1)).ready()).isFalse();
    assertThat(found(Pods.leaving("a", "10.0.0.1", 1)).ready()).isFalse();
    assertThat(found(Pods.saying("a", "10.0.0.1", 1, Map.of("drain", "true"))).ready()).isFalse();
    Read none = reader.read(Pods.ready("a", "", 1));
    assertThat(none.found()).isNull();
    assertThat(none.trouble()).as("it is only starting").isNull();
    Pod done =
        new PodBuilder(Pods.ready("a", "10.0.0.1", 1))
            .editStatus()
            .withPhase("Succeeded")
            .endStatus()
            .build();
    assertThat(reader.read(done).ended()).isTrue();
  }

  @Test
  void whoseLabelsCannotBeReadIsAsReadyAsItWas() {
    Read odd = reader.read(Pods.saying("a", "10.0.0.1", 1, Map.of("drain", "maybe")));
    assertThat(odd.trouble()).contains("maybe");
    assertThat(odd.ready()).isTrue();
    assertThat(reader.read(Pods.saying("a", "10.0.0.1", 1, Map.of("drain", "true"))).ready())
        .isFalse();
  }

  @Test
  void whatAnApiServerLeavesOutIsThatPodsTrouble() {
    Pod odd = Pods.ready("a", "10.0.0.1", 1);
    odd.getStatus().setConditions(Collections.singletonList(null));
    Read r = reader.read(odd);
    assertThat(r.found()).isNull();
    assertThat(r.ready()).isFalse();
    assertThat(r.trouble()).startsWith("pod llm/a: cannot be read: ");
  }
}
