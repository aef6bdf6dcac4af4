package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ValidateIT {
  private FakeDeployment fake;
  private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
  private int exit;
  private @Nullable String token;
  private @Nullable String key;

  @BeforeEach
  void start() throws IOException {
    fake = new FakeDeployment();
  }

  @AfterEach
  void stop() {
    fake.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {100, 51_200, 100_000})
  void aGoodDeploymentIsGreenWhateverItsThreshold(int threshold) throws Exception {
    fake.threshold = threshold;

    assertThat(failures()).isEmpty();
    assertThat(exit).isZero();
    assertThat(said()).contains("counters agree").contains("Failed: 0");
  }

  @Test
  void aMissingStaticInstanceFailsWhileTheOtherChecksStillRun() throws Exception {
    fake.remove(FakeDeployment.STATIC);

    assertThat(failures())
        .extracting(Check::name)
        .contains(
            "discovery of static-cache-9g_8b_thinking-server",
            "size routing of 60000 bytes",
            "traffic on both pools")
        .doesNotContain("chat", "chat, streamed", "size routing of 51200 bytes (threshold)");
    assertThat(exit).isEqualTo(1);
    assertThat(said()).contains("static-cache-9g_8b_thinking-server: not registered");
  }

  @Test
  void aRouterThatIgnoresSizeFails() throws Exception {
    fake.everythingToPaged = true;

    assertThat(failures())
        .extracting(Check::name)
        .containsExactly(
            "size routing of 51201 bytes (threshold + 1)",
            "size routing of 60000 bytes",
            "traffic on both pools");
  }

  @Test
  void countersExposeAHeaderThatNamesTheWrongInstance() throws Exception {
    fake.everythingToPaged = true;
    fake.headerLies = true;

    assertThat(failures())
        .extracting(Check::seen)
        .hasSize(2)
        .allMatch(s -> s.contains("the counter of static-cache-9g_8b_thinking-server moved by 0"));
  }

  @Test
  void instancesWithoutCountersAreSaidToBeUnchecked() throws Exception {
    fake.counts = false;

    assertThat(failures()).isEmpty();
    assertThat(said()).contains("not checked by counters");
  }

  @Test
  void anInstanceWithoutAHealthPathIsWellWhereItListsItsModels() throws Exception {
    fake.withoutHealth = true;
    assertThat(failures()).isEmpty();
    assertThat(said()).contains("which has no /health and lists its models");

    fake.listsModels = false;
    assertThat(failures())
        .extracting(Check::name)
        .containsExactly(
            "health of paged-cache-9g_8b_thinking-server",
            "health of static-cache-9g_8b_thinking-server");
  }

  @Test
  void aRegistryThatWantsATokenIsReadWithItAndWithoutItsSaid() throws Exception {
    fake.token = "reader";
    assertThat(failures()).extracting(Check::name).containsExactly("discovery");
    assertThat(said()).contains("HTTP 401").contains("INFINI_REGISTRY_READ_TOKEN");

    token = "reader";
    assertThat(failures()).isEmpty();
    assertThat(exit).isZero();
  }

  @Test
  void aRouterThatWantsAClientsKeyIsAskedWithItAndWithoutItsSaidHowToGiveOne() throws Exception {
    fake.key = "sk-client";
    assertThat(failures())
        .extracting(Check::name)
        .containsExactly(
            "models at /models", "models at /v1/models", "chat", "chat, streamed", "size routing");
    assertThat(said())
        .contains("HTTP 401")
        .contains("--api-key or OPENAI_API_KEY gives a client's key")
        .contains("no answer, so it was not checked");
    assertThat(exit).isEqualTo(1);

    key = "sk-client";
    assertThat(failures()).isEmpty();
    assertThat(exit).isZero();

    key = "sk-other";
    printed.reset();
    assertThat(failures()).isNotEmpty();
    assertThat(said()).contains("the key is that of --api-key").doesNotContain("sk-other");
  }

  @Test
  void anUnreachableRegistryIsOneClearFailure() throws Exception {
    fake.registry.close();

    assertThat(failures()).extracting(Check::name).containsExactly("registry health", "discovery");
    assertThat(said()).contains("REGISTRY_PORT");
  }

  @Test
  void anUnreachableRouterEndsWithItsAddress() throws Exception {
    fake.router.close();

    assertThat(failures())
        .extracting(Check::name)
        .containsExactly("router health", "chat and size routing");
    assertThat(said()).contains(":" + fake.router.port());
  }

  private String said() {
    return printed.toString(StandardCharsets.UTF_8);
  }

  private List<Check> failures() throws InterruptedException {
    Terminal terminal =
        new Terminal(new PrintStream(printed, true, StandardCharsets.UTF_8), false, false);
    Report report = new Report(terminal, false);
    Validate.Target target =
        Validate.Target.of(
            new BaseUrl("127.0.0.1", fake.router.port(), ""),
            fake.registry.port(),
            List.of(),
            null,
            token,
            key);
    try (Client client = Client.create()) {
      Probe probe = new Probe(client, Duration.ofSeconds(10));
      new Validate(probe, target, report, Ticker.SYSTEM).run();
    }
    exit = report.finish();
    return report.checks().stream().filter(c -> !c.ok()).toList();
  }
}
