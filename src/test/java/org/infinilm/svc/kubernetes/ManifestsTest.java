package org.infinilm.svc.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.fabric8.kubernetes.api.model.autoscaling.v2.HorizontalPodAutoscaler;
import io.fabric8.kubernetes.api.model.networking.v1.NetworkPolicy;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import io.fabric8.kubernetes.api.model.rbac.Role;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.infinilm.svc.babysitter.BabysitterProgram;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.registry.RegistryProgram;
import org.infinilm.svc.router.RouterProgram;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The manifests that the chart makes, against the models of the API's objects and against what our
/// programs take. `./infini test --chart` shows that the chart makes them.
class ManifestsTest {
  private static final KubernetesSerialization YAML = new KubernetesSerialization();

  /// Up to here each whole number is one of floating point, which Helm reads.
  private static final double EXACT = (1L << 53) - 1;

  private static final Set<String> FOREIGN = Set.of("monitoring.coreos.com/v1");

  private static List<HasMetadata> read(String example) throws Exception {
    List<HasMetadata> out = objects(Path.of("deployment/kubernetes/examples", example));
    assertThat(out).hasSizeGreaterThan(10);
    return out;
  }

  private static List<HasMetadata> objects(Path file) throws Exception {
    List<HasMetadata> out = new ArrayList<>();
    String text = Files.readString(file);
    for (String one : text.split("(?m)^---\\s*$")) {
      if (one.lines().anyMatch(l -> !l.isBlank() && !l.startsWith("#"))) {
        HasMetadata object = YAML.unmarshal(one);
        out.add(object);
      }
    }
    return out;
  }

  private static <T> List<T> all(List<HasMetadata> of, Class<T> type) {
    return of.stream().filter(type::isInstance).map(type::cast).toList();
  }

  /// Fields that are none of the API's, by their paths.
  private static void strange(Object o, String path, List<String> out) throws Exception {
    if (o instanceof Collection<?> c) {
      for (Object e : c) {
        strange(e, path + "[]", out);
      }
    } else if (o instanceof Map<?, ?> m) {
      for (Map.Entry<?, ?> e : m.entrySet()) {
        strange(e.getValue(), path + "." + e.getKey(), out);
      }
    } else if (o != null && o.getClass().getName().startsWith("io.fabric8.kubernetes.api.model")) {
      for (Method m : o.getClass().getMethods()) {
        boolean reads =
            m.getName().startsWith("get")
                && m.getParameterCount() == 0
                && !m.getName().equals("getClass");
        if (m.getName().equals("getAdditionalProperties")) {
          ((Map<?, ?>) m.invoke(o)).keySet().forEach(k -> out.add(path + "." + k));
        } else if (reads && !m.getReturnType().isPrimitive()) {
          strange(m.invoke(o), path + "." + m.getName().substring(3), out);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml", "single.yaml"})
  void eachObjectIsOneOfTheApi(String example) throws Exception {
    for (HasMetadata o : read(example)) {
      String name = o.getKind() + " " + o.getMetadata().getName();
      if (o instanceof GenericKubernetesResource) {
        assertThat(FOREIGN).as(name).contains(o.getApiVersion());
        continue;
      }
      List<String> strange = new ArrayList<>();
      strange(o, "", strange);
      assertThat(strange).as(name).isEmpty();
      assertThat(o.getMetadata().getNamespace()).as(name).isEqualTo("llm");
    }
  }

  @Test
  void aMisspelledFieldIsSeen() throws Exception {
    HasMetadata o =
        YAML.unmarshal(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{nmae: x}]}}}");
    List<String> strange = new ArrayList<>();
    strange(o, "", strange);
    assertThat(strange).containsExactly(".Spec.Template.Spec.Containers[].nmae");
  }

  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml", "single.yaml"})
  void whatSelectsFindsSomething(String example) throws Exception {
    List<HasMetadata> objects = read(example);
    List<PodTemplateSpec> templates = templates(objects);
    List<Map<String, String>> selectors = new ArrayList<>();
    all(objects, Service.class).forEach(s -> selectors.add(s.getSpec().getSelector()));
    all(objects, PodDisruptionBudget.class)
        .forEach(p -> selectors.add(p.getSpec().getSelector().getMatchLabels()));
    all(objects, NetworkPolicy.class)
        .forEach(p -> selectors.add(p.getSpec().getPodSelector().getMatchLabels()));
    for (Map<String, String> s : selectors) {
      assertThat(templates.stream().filter(t -> has(t, s)).count()).as(s.toString()).isEqualTo(1);
    }
    for (NetworkPolicy p : all(objects, NetworkPolicy.class)) {
      PodTemplateSpec of = find(templates, p.getSpec().getPodSelector().getMatchLabels());
      p.getSpec()
          .getIngress()
          .forEach(i ->
              i.getPorts()
                  .forEach(port -> assertThat(ports(of)).contains(port.getPort().getStrVal())));
    }
    for (Service s : all(objects, Service.class)) {
      PodTemplateSpec of = find(templates, s.getSpec().getSelector());
      s.getSpec()
          .getPorts()
          .forEach(p -> assertThat(ports(of)).contains(p.getTargetPort().getStrVal()));
    }
    List<String> scaled =
        Stream.concat(
                all(objects, Deployment.class).stream()
                    .map(d -> "Deployment " + d.getMetadata().getName()),
                all(objects, StatefulSet.class).stream()
                    .map(d -> "StatefulSet " + d.getMetadata().getName()))
            .toList();
    for (HorizontalPodAutoscaler h : all(objects, HorizontalPodAutoscaler.class)) {
      var target = h.getSpec().getScaleTargetRef();
      assertThat(scaled).contains(target.getKind() + " " + target.getName());
    }
  }

  private static List<PodTemplateSpec> templates(List<HasMetadata> objects) {
    List<PodTemplateSpec> out = new ArrayList<>();
    all(objects, Deployment.class).forEach(d -> out.add(d.getSpec().getTemplate()));
    all(objects, StatefulSet.class).forEach(s -> out.add(s.getSpec().getTemplate()));
    return out;
  }

  private static boolean has(PodTemplateSpec t, Map<String, String> labels) {
    return t.getMetadata().getLabels().entrySet().containsAll(labels.entrySet());
  }

  private static PodTemplateSpec find(List<PodTemplateSpec> all, Map<String, String> labels) {
    return all.stream().filter(t -> has(t, labels)).findFirst().orElseThrow();
  }

  private static List<String> ports(PodTemplateSpec t) {
    return t.getSpec().getContainers().getFirst().getPorts().stream()
        .map(ContainerPort::getName)
        .toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml", "single.yaml"})
  void theRouterTakesItsFlagsFindsTheInstancesAndMayDoNothingElse(String example) throws Exception {
    List<HasMetadata> objects = read(example);
    Deployment d = deployment(objects, "router");
    Map<String, String> flags = flags(d, RouterProgram.PROGRAM);
    double ends =
        Double.parseDouble(flags.get("lame_duck")) + Double.parseDouble(flags.get("drain_timeout"));
    assertThat(d.getSpec().getTemplate().getSpec().getTerminationGracePeriodSeconds().doubleValue())
        .isGreaterThan(ends + 5);
    assertThat(d.getSpec().getTemplate().getSpec().getEnableServiceLinks())
        .as("a service's variables would be settings")
        .isFalse();
    SourceSpec.Kubernetes spec =
        (SourceSpec.Kubernetes) SourceSpec.list(flags.get("discover"), "x").getFirst();
    Map<String, String> selector = new HashMap<>();
    for (String pair : spec.selector().split(",")) {
      selector.put(pair.split("=")[0], pair.split("=")[1]);
    }
    List<StatefulSet> instances = all(objects, StatefulSet.class);
    assertThat(instances).isNotEmpty();
    for (StatefulSet s : instances) {
      assertThat(has(s.getSpec().getTemplate(), selector)).isTrue();
    }
    List<PolicyRule> rules = all(objects, Role.class).getFirst().getRules();
    assertThat(rules).hasSize(1);
    assertThat(rules.getFirst().getResources()).containsExactly("pods");
    assertThat(rules.getFirst().getVerbs()).containsExactly("list", "watch");
  }

  private static Deployment deployment(List<HasMetadata> objects, String component) {
    Map<String, String> labels = Map.of("app.kubernetes.io/component", component);
    return all(objects, Deployment.class).stream()
        .filter(d -> has(d.getSpec().getTemplate(), labels))
        .findFirst()
        .orElseThrow();
  }

  /// What its container is started with, all of which the program takes.
  private static Map<String, String> flags(Deployment d, Program program) throws Exception {
    Container c = d.getSpec().getTemplate().getSpec().getContainers().getFirst();
    List<String> args = c.getArgs();
    assertThat(args.subList(0, 2)).containsExactly("infini", program.name());
    Map<String, String> flags = new HashMap<>();
    Map<String, Key<?>> keys = new HashMap<>();
    program.keys().forEach(k -> keys.put(k.flagName(), k));
    for (int k = 2; k < args.size(); k++) {
      Key<?> off = keys.get(args.get(k).replaceFirst("^--no-", "--"));
      Key<?> key = keys.getOrDefault(args.get(k), off);
      assertThat(key).as(args.get(k)).isNotNull();
      boolean isSwitch = key.type().isSwitch();
      assertThat(keys.containsKey(args.get(k)) || isSwitch).as(args.get(k)).isTrue();
      String value = isSwitch ? String.valueOf(keys.containsKey(args.get(k))) : args.get(++k);
      assertThat(flags.put(key.name(), value)).as(key.name()).isNull();
    }
    Wrongs wrong = new Wrongs();
    Config config = Config.resolve(program.keys(), flags, Map.of(), null);
    program.check().check(new Program.Args(config, flags, List.of(), Map.of()), wrong);
    wrong.end();
    return flags;
  }

  /// Helm reads numbers as floating point, whose text has an exponent from a million on; switches
  /// take no value.
  @Test
  void largeNumbersAreWrittenOutAndSwitchesAreFlagsAlone() throws Exception {
    List<HasMetadata> objects = read("single.yaml");
    assertThat(flags(deployment(objects, "router"), RouterProgram.PROGRAM))
        .containsEntry("threshold", "10000000")
        .containsEntry("max_body_bytes", "134217728")
        .containsEntry("drain_timeout", "3000000")
        .containsEntry("lame_duck", "2.5")
        .containsEntry("queue_timeout", "0.5")
        .containsEntry("spill", "true")
        .containsEntry("access_log", "false")
        .doesNotContainKey("registry_url");
    PodTemplateSpec pool = all(objects, StatefulSet.class).getFirst().getSpec().getTemplate();
    assertThat(pool.getMetadata().getAnnotations())
        .containsEntry("infinilm.org/num-blocks", "2097152")
        .containsEntry("infinilm.org/drain", "false");
    assertThat(pool.getSpec().getTerminationGracePeriodSeconds()).isEqualTo(1_000_031);
    assertThat(all(objects, ConfigMap.class).getFirst().getData().get("instance.toml"))
        .contains("\ndrain_timeout = 1000000.25\n");
  }

  /// A budget that asks for as many as there are keeps a node from ever being emptied.
  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml", "single.yaml"})
  void aRouterMayAlwaysBeTakenAway(String example) throws Exception {
    var budget = all(read(example), PodDisruptionBudget.class).getFirst().getSpec();
    assertThat(budget.getMinAvailable()).isNull();
    assertThat(budget.getMaxUnavailable().getIntVal()).isEqualTo(1);
    assertThat(budget.getUnhealthyPodEvictionPolicy()).isEqualTo("AlwaysAllow");
  }

  private static Map<String, Object> at(Map<String, Object> of, String... names) {
    Map<String, Object> m = of;
    for (String n : names) {
      @SuppressWarnings("unchecked")
      Map<String, Object> next = (Map<String, Object>) m.get(n);
      m = next;
    }
    return m;
  }

  private static Map<String, Object> schema() throws Exception {
    Path file = Path.of("deployment/kubernetes/chart/values.schema.json");
    @SuppressWarnings("unchecked")
    Map<String, Object> all = YAML.unmarshal(Files.readString(file), Map.class);
    return all;
  }

  /// What the chart's schema is to say of a setting: a number may be text, which Helm keeps as it
  /// is.
  private static String setting(Map<String, Object> says) {
    Object type = says.get("type");
    if (says.get("enum") instanceof List<?> words) {
      return "one of " + words.stream().map(String::valueOf).distinct().toList();
    }
    if (!says.containsKey("minimum")) {
      return String.valueOf(type);
    }
    String kind =
        type instanceof List<?> several ? several.getFirst() + " or text" : type + " or text";
    double most = Math.min(((Number) says.get("maximum")).doubleValue(), EXACT);
    return kind + " " + ((Number) says.get("minimum")).doubleValue() + ".." + most;
  }

  @Test
  void theSchemaOfValuesKnowsTheRoutersSettingsAndNoFlagOfTheCharts() throws Exception {
    Map<String, String> expected = new TreeMap<>();
    for (Key<?> k : RouterProgram.PROGRAM.keys()) {
      if (!k.isTables()) {
        expected.put(k.flagName().substring(2), setting(k.type().schema()));
      }
    }
    RouterProgram.PROGRAM.repeatable().keySet().forEach(name -> expected.put(name, "string"));
    Set<String> own =
        Set.of("host", "router-port", "discover", "registry-url", "lame-duck", "drain-timeout");
    assertThat(expected.keySet()).containsAll(own);
    expected.keySet().removeAll(own);
    Map<String, String> said = new TreeMap<>();
    Map<String, Object> settings =
        at(schema(), "properties", "router", "properties", "settings", "properties");
    settings.keySet().forEach(name -> said.put(name, setting(at(settings, name))));
    assertThat(said).isEqualTo(expected);
  }

  @Test
  void theSchemaOfValuesKnowsWhatAPodMaySayThatTheChartDoesNot() throws Exception {
    Set<String> words = new TreeSet<>(PodReader.WORDS);
    words.removeAll(Set.of("instance", "cache-type"));
    assertThat(
            at(schema(), "properties", "pools", "items", "properties", "says", "properties")
                .keySet())
        .containsExactlyInAnyOrderElementsOf(words);
  }

  private static Map<String, EnvVar> variables(Deployment d) {
    Map<String, EnvVar> out = new HashMap<>();
    d.getSpec()
        .getTemplate()
        .getSpec()
        .getContainers()
        .getFirst()
        .getEnv()
        .forEach(e -> out.put(e.getName(), e));
    return out;
  }

  /// Routers know of each other by a registry alone: without one each gives an instance all of its
  /// seats.
  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml"})
  void routersMeetAtARegistryThatTakesThemAlone(String example) throws Exception {
    List<HasMetadata> objects = read(example);
    Deployment d = deployment(objects, "registry");
    Map<String, String> flags = flags(d, RegistryProgram.PROGRAM);
    assertThat(d.getSpec().getReplicas()).as("one place to meet").isEqualTo(1);
    assertThat(d.getSpec().getStrategy().getType()).isEqualTo("Recreate");
    PodTemplateSpec pod = d.getSpec().getTemplate();
    Container c = pod.getSpec().getContainers().getFirst();
    assertThat(c.getPorts().getFirst().getContainerPort())
        .isEqualTo(Integer.parseInt(flags.get("port")));
    assertThat(c.getReadinessProbe().getHttpGet().getPath()).isEqualTo("/health");
    assertThat(c.getSecurityContext().getReadOnlyRootFilesystem()).isTrue();
    assertThat(flags).containsEntry("data_dir", "");
    assertThat(pod.getSpec().getEnableServiceLinks()).isFalse();
    assertThat(pod.getSpec().getAutomountServiceAccountToken()).isFalse();
    Service s =
        all(objects, Service.class).stream()
            .filter(o -> has(pod, o.getSpec().getSelector()))
            .findFirst()
            .orElseThrow();
    Deployment router = deployment(objects, "router");
    assertThat(flags(router, RouterProgram.PROGRAM))
        .containsEntry(
            "registry_url",
            "http://"
                + s.getMetadata().getName()
                + ":"
                + s.getSpec().getPorts().getFirst().getPort());
    NetworkPolicy p =
        all(objects, NetworkPolicy.class).stream()
            .filter(o -> has(pod, o.getSpec().getPodSelector().getMatchLabels()))
            .findFirst()
            .orElseThrow();
    assertThat(p.getSpec().getIngress()).hasSize(1);
    assertThat(p.getSpec().getIngress().getFirst().getFrom())
        .singleElement()
        .satisfies(from ->
            assertThat(has(router.getSpec().getTemplate(), from.getPodSelector().getMatchLabels()))
                .isTrue());
    EnvVar changes = variables(d).get("INFINI_REGISTRY_TOKEN");
    assertThat(changes).as("nothing is registered there by who has no token").isNotNull();
    assertThat(variables(router)).doesNotContainKey("INFINI_REGISTRY_TOKEN");
    EnvVar reads = variables(d).get("INFINI_REGISTRY_READ_TOKEN");
    assertThat(variables(router).get("INFINI_REGISTRY_READ_TOKEN")).isEqualTo(reads);
    assertThat(reads != null).isEqualTo(example.startsWith("monitoring"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"default.yaml", "monitoring.yaml", "single.yaml"})
  void eachPodOfAPoolIsAnInstanceAndItsFileIsOne(String example, @TempDir Path dir)
      throws Exception {
    List<HasMetadata> objects = read(example);
    Map<String, String> files = new HashMap<>();
    all(objects, ConfigMap.class)
        .forEach(m -> files.put(m.getMetadata().getName(), m.getData().get("instance.toml")));
    for (StatefulSet s : all(objects, StatefulSet.class)) {
      PodTemplateSpec t = s.getSpec().getTemplate();
      Pod pod =
          new PodBuilder()
              .withMetadata(t.getMetadata())
              .editMetadata()
              .withNamespace("llm")
              .withName(s.getMetadata().getName() + "-0")
              .withResourceVersion("1")
              .endMetadata()
              .withSpec(t.getSpec())
              .withNewStatus()
              .withPhase("Running")
              .withPodIP("10.0.0.1")
              .addNewCondition()
              .withType("Ready")
              .withStatus("True")
              .endCondition()
              .endStatus()
              .build();
      Read r = new PodReader(false, f -> {}).read(pod);
      assertThat(r.trouble()).isNull();
      Found found = r.found();
      assertThat(found.url()).isEqualTo("http://10.0.0.1:8100");
      assertThat(found.options().get("cache_type")).isIn("paged", "static");
      Path file = dir.resolve(s.getMetadata().getName() + ".toml");
      Files.writeString(file, files.get(s.getMetadata().getName()));
      assertThat(
              BabysitterProgram.check(
                  file, Map.of("INFINI_HOME", Path.of("").toAbsolutePath().toString())))
          .anyMatch(l -> l.contains("port") && l.contains("8100"));
      assertThat(t.getSpec().getEnableServiceLinks()).isFalse();
      assertThat(t.getSpec().getAutomountServiceAccountToken()).isFalse();
    }
  }

  /// A service's address becomes variables of all pods that start after it, of `infini-picker` that
  /// is INFINI_PICKER_PORT=tcp://...: a setting that cannot be read.
  @Test
  void noServicesVariablesAreSettingsInPodsOfOurs() throws Exception {
    List<Path> files;
    try (Stream<Path> all = Files.walk(Path.of("deployment"))) {
      files =
          all.filter(f -> f.toString().endsWith(".yaml") && !f.toString().contains("templates"))
              .sorted()
              .toList();
    }
    List<String> seen = new ArrayList<>();
    for (Path f : files) {
      if (Files.readString(f).lines().anyMatch(l -> l.startsWith("kind: "))) {
        for (PodTemplateSpec t : templates(objects(f))) {
          assertThat(t.getSpec().getEnableServiceLinks()).as(f.toString()).isFalse();
          seen.add(f.getFileName().toString());
        }
      }
    }
    assertThat(seen)
        .contains("default.yaml", "monitoring.yaml", "single.yaml", "inferencepool.yaml");
  }
}
