package org.infinilm.svc;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/// The executable drawing of the house: which room may import which, and which types are a room's
/// face.
class FloorPlanTest {
  private static final String ROOT = "org.infinilm.svc.";

  private static final JavaClasses HOUSE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("org.infinilm.svc");

  /// Room to the rooms it may import; everything points down.
  private static final Map<String, Set<String>> MAY_IMPORT =
      Map.ofEntries(
          Map.entry("fleet", Set.of()),
          Map.entry("config", Set.of()),
          Map.entry("telemetry", Set.of()),
          Map.entry("http", Set.of()),
          Map.entry("history", Set.of("config", "telemetry")),
          Map.entry("tls", Set.of("http", "config", "telemetry")),
          Map.entry("trace", Set.of("config", "telemetry")),
          Map.entry("process", Set.of("telemetry")),
          Map.entry("policy", Set.of("fleet")),
          Map.entry("etcd", Set.of("http", "telemetry")),
          Map.entry("registry", Set.of("etcd", "fleet", "tls", "http", "config", "telemetry")),
          Map.entry("discovery", Set.of("http", "config", "telemetry")),
          Map.entry("kubernetes", Set.of("discovery", "http", "config")),
          Map.entry("page", Set.of("http")),
          Map.entry("top", Set.of("tls", "http", "config", "telemetry")),
          Map.entry(
              "router",
              Set.of(
                  "page",
                  "history",
                  "evaluation",
                  "policy",
                  "discovery",
                  "kubernetes",
                  "registry",
                  "fleet",
                  "tls",
                  "trace",
                  "http",
                  "config",
                  "telemetry")),
          Map.entry("picker", Set.of("router", "tls", "http", "config", "telemetry")),
          Map.entry(
              "babysitter",
              Set.of("registry", "fleet", "tls", "http", "process", "config", "telemetry")),
          Map.entry("engine", Set.of("http", "config", "telemetry")),
          Map.entry("simulator", Set.of("fleet", "http", "config", "telemetry")),
          Map.entry("evaluation", Set.of("policy", "simulator", "fleet", "config", "telemetry")),
          Map.entry("statistics", Set.of()),
          Map.entry("workload", Set.of("http", "config")),
          Map.entry("load", Set.of("workload", "tls", "http", "config", "telemetry")),
          Map.entry("accuracy", Set.of("load", "statistics", "http")),
          Map.entry(
              "results", Set.of("accuracy", "load", "workload", "statistics", "http", "config")),
          Map.entry("comparison", Set.of("results", "statistics", "http", "config")),
          Map.entry("pictures", Set.of("comparison", "results", "statistics", "http", "config")),
          Map.entry(
              "bench",
              Set.of(
                  "results", "accuracy", "load", "workload", "tls", "http", "config", "telemetry")),
          Map.entry(
              "deploy",
              Set.of(
                  "engine",
                  "history",
                  "registry",
                  "tls",
                  "http",
                  "process",
                  "config",
                  "telemetry")),
          Map.entry(
              "cli",
              Set.of(
                  "picker",
                  "router",
                  "babysitter",
                  "engine",
                  "simulator",
                  "bench",
                  "workload",
                  "comparison",
                  "pictures",
                  "evaluation",
                  "deploy",
                  "page",
                  "history",
                  "trace",
                  "top",
                  "policy",
                  "registry",
                  "fleet",
                  "tls",
                  "http",
                  "process",
                  "config",
                  "telemetry")));

  @Test
  void roomsImportOnlyWhatThePlanAllows() {
    MAY_IMPORT.forEach((room, below) -> {
      String[] closed =
          MAY_IMPORT.keySet().stream()
              .filter(r -> !r.equals(room) && !below.contains(r))
              .map(r -> ROOT + r)
              .toArray(String[]::new);
      noClasses()
          .that(resideInAPackage(ROOT + room))
          .should()
          .dependOnClassesThat(resideInAnyPackage(closed))
          .allowEmptyShould(true)
          .check(HOUSE);
    });
  }

  @Test
  void everyRoomIsOnThePlanAndNullMarked() {
    Set<String> found =
        HOUSE.stream()
            .map(c -> c.getPackageName().substring(ROOT.length()))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(MAY_IMPORT.keySet()).containsAll(found);
    for (String room : found) {
      assertThat(HOUSE.getPackage(ROOT + room).tryGetPackageInfo())
          .as("package-info of " + room)
          .hasValueSatisfying(info -> assertThat(info.isAnnotatedWith(NullMarked.class)).isTrue());
    }
  }

  @Test
  void noCyclesBetweenRooms() {
    slices().matching(ROOT + "(*)..").should().beFreeOfCycles().check(HOUSE);
  }

  @Test
  void nativeCallsOnlyInTheEngineAndForOrphans() {
    noClasses()
        .that(not(resideInAPackage(ROOT + "engine")))
        .and()
        .doNotHaveFullyQualifiedName(ROOT + "process.Subreaper")
        .should()
        .dependOnClassesThat()
        .haveNameMatching("java\\.lang\\.foreign\\.(Linker|SymbolLookup|FunctionDescriptor).*")
        .check(HOUSE);
  }

  /// A JVM that was started without the module must not meet it.
  @Test
  void vectorsOnlyWhereBlocksAreMarked() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName(ROOT + "http.BlockVectors")
        .should()
        .dependOnClassesThat(resideInAPackage("jdk.incubator.."))
        .check(HOUSE);
  }

  @Test
  void clockAndRandomnessArePassedIn() {
    noClasses()
        .that(not(resideInAPackage(ROOT + "telemetry")))
        .should()
        .callMethod(System.class, "nanoTime")
        .orShould()
        .callMethod(System.class, "currentTimeMillis")
        .orShould()
        .callMethod(Math.class, "random")
        .because("time comes from telemetry.Ticker, randomness from a generator handed in")
        .check(HOUSE);
  }

  @Test
  void oneHttpStack() {
    noClasses()
        .should()
        .dependOnClassesThat(resideInAnyPackage("java.net.http..", "com.sun.net.httpserver.."))
        .because("Netty below is the one HTTP stack: http.Server and http.Client")
        .check(HOUSE);
  }

  @Test
  void onlyHistoryKnowsItsDatabase() {
    noClasses()
        .that(not(resideInAPackage(ROOT + "history")))
        .should()
        .dependOnClassesThat(resideInAnyPackage("java.sql..", "org.sqlite.."))
        .check(HOUSE);
  }

  @Test
  void onlyTheRoomOfTracesKnowsOpenTelemetry() {
    noClasses()
        .that()
        .haveNameNotMatching("org\\.infinilm\\.svc\\.trace\\.Sender(\\$.*)?")
        .should()
        .dependOnClassesThat(resideInAnyPackage("io.opentelemetry.."))
        .check(HOUSE);
  }

  /// Its jars are opened only where pods are asked for.
  @Test
  void onlyTheRoomOfKubernetesKnowsItsClient() {
    noClasses()
        .that(not(resideInAPackage(ROOT + "kubernetes")))
        .should()
        .dependOnClassesThat(resideInAnyPackage("io.fabric8.."))
        .check(HOUSE);
  }

  @Test
  void onlyThePickerKnowsGrpc() {
    noClasses()
        .that(not(resideInAPackage(ROOT + "picker")))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage("io.grpc..", "io.envoyproxy..", "com.google.protobuf.."))
        .because("other programs do not pay for it")
        .check(HOUSE);
  }

  @Test
  void theRoofExportsNothing() {
    classes()
        .that(resideInAPackage(ROOT + "cli"))
        .and()
        .doNotHaveSimpleName("Main")
        .and()
        .doNotHaveSimpleName("package-info")
        .should()
        .notBePublic()
        .check(HOUSE);
  }

  @Test
  void aRoomsFaceIsSmall() {
    Map<String, Long> faces =
        HOUSE.stream()
            .filter(JavaClass::isTopLevelClass)
            .filter(c -> c.getModifiers().contains(JavaModifier.PUBLIC))
            .collect(Collectors.groupingBy(JavaClass::getPackageName, Collectors.counting()));
    Map<String, Integer> wide =
        Map.of(
            ROOT + "http",
            34,
            ROOT + "fleet",
            24,
            ROOT + "policy",
            24,
            ROOT + "config",
            9,
            ROOT + "registry",
            11);
    faces.forEach((room, n) ->
        assertThat(n)
            .as("public types of " + room)
            .isLessThanOrEqualTo(wide.getOrDefault(room, 8)));
  }
}
