package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Models under other names.
class AliasIT {
  private static final String ASK = "{\"messages\":[],\"model\":\"gpt-4\"}";

  @Test
  void anAliasGoesToItsModelUnderTheModelsNameAtEveryAttempt() throws Exception {
    try (Rig rig = new Rig()) {
      rig.instance(
          "a",
          (self, t) -> {
            self.take(t);
            t.reset();
          });
      rig.good("b");
      rig.start("aliases=gpt-4=m");
      for (int k = 0; k < 6; k++) {
        assertThat(rig.send(Rig.post(Rig.CHAT, "", ASK)).toString()).contains("200");
        assertThat(rig.send(Rig.post(Rig.CHAT, "", Rig.BODY)).toString()).contains("200");
      }
      for (ScriptedInstance i : rig.instances) {
        assertThat(i.seen).isNotEmpty();
        assertThat(i.seen)
            .allMatch(r ->
                r.endsWith("\r\n\r\n{\"messages\":[],\"model\":\"m\"}") || r.endsWith(Rig.BODY));
        assertThat(i.seen).filteredOn(r -> r.contains("[],\"model\"")).isNotEmpty();
      }
      assertThat(rig.decision().path("model").asText()).isEqualTo("m");
      List<String> listed = rig.get("/v1/models").path("data").findValuesAsText("id");
      assertThat(listed).contains("m", "gpt-4");
      assertThat(rig.get("/v1/models/gpt-4").path("id").asText()).isEqualTo("gpt-4");
      rig.quiet();
    }
  }

  private static String zipped(String body) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
      z.write(body.getBytes(UTF_8));
    }
    return out.toString(ISO_8859_1);
  }

  /// 8 MB of text: the decoded body of an alias takes room beside the one that came.
  @Test
  void aDecodedBodyIsCountedAndRefusedWhenThereIsNoRoomForIt() throws Exception {
    StringBuilder text = new StringBuilder();
    SplittableRandom random = new SplittableRandom(1);
    while (text.length() < 8 << 20) {
      text.append(Long.toString(random.nextLong(), 36).repeat(30));
    }
    String large = "{\"messages\":[],\"model\":\"gpt-4\",\"x\":\"" + text + "\"}";
    String request =
        Rig.post(Rig.CHAT, "Content-Encoding: gzip\r\nConnection: close\r\n", zipped(large));
    for (String budget : List.of("4000000", "100000000")) {
      try (Rig rig = new Rig()) {
        CountDownLatch goOn = new CountDownLatch(1);
        rig.answering(
            "a",
            (r, n) -> {
              goOn.await();
              return Rig.OK;
            });
        rig.start("aliases=gpt-4=m", "max_buffered_bytes=" + budget);
        try (Socket s = rig.connect()) {
          s.getOutputStream().write(request.getBytes(ISO_8859_1));
          if (budget.equals("4000000")) {
            Said said = Said.read(s.getInputStream());
            assertThat(said.status()).isEqualTo(503);
            assertThat(said.body()).contains("overloaded");
            assertThat(said.field("retry-after")).isEqualTo("1");
            rig.outcome("rejected");
          } else {
            await()
                .atMost(Rig.SOON)
                .until(() -> rig.router().server().bufferedBytes() > large.length());
            goOn.countDown();
            assertThat(Said.read(s.getInputStream()).ok()).isTrue();
            assertThat(rig.instances.getFirst().seen)
                .singleElement()
                .asString()
                .doesNotContainIgnoringCase("content-encoding")
                .endsWith(large.replace("gpt-4", "m"));
          }
        }
        await().atMost(Rig.SOON).until(() -> rig.router().server().bufferedBytes() == 0);
        rig.quiet();
      }
    }
  }

  @Test
  void aModelOnOfferUnderTheVeryNameWinsOverAnAlias() throws Exception {
    try (Rig rig = new Rig()) {
      rig.good("a");
      rig.start("aliases=m=other");
      assertThat(rig.chat().status()).isEqualTo(200);
      assertThat(rig.instances.getFirst().seen).allMatch(r -> r.endsWith(Rig.BODY));
    }
  }

  @Test
  void aModelThatNobodyOffersIs404WithTheNearestNameOr503WhereAskedFor() throws Exception {
    for (String status : List.of("404", "503")) {
      try (Rig rig = new Rig()) {
        rig.good("a");
        rig.start("unknown_model_status=" + status, "aliases=mistral=gone");
        for (String model : List.of("mm", "mistral")) {
          String said =
              rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"" + model + "\"}")).toString();
          assertThat(said)
              .contains(status)
              .contains(status.equals("404") ? "model_not_found" : "model_not_available")
              .containsIgnoringCase("x-should-retry: false")
              .contains("models on offer: m");
        }
        assertThat(rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"mm\"}")).toString())
            .contains("did you mean \\\"m\\\"?");
        JsonNode d = rig.decision();
        assertThat(d.path("status").asInt()).isEqualTo(Integer.parseInt(status));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"gpt-4", "=m", "gpt-4=", "a=b;a=c", "a=b;b=a", "a=b;b=c"})
  void aliasesThatAreNoneAreNamed(String given) {
    Map<String, String> flags = Map.of("aliases", given.replace(';', ','));
    assertThatThrownBy(
            () -> RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null)))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("--aliases: ")
        .hasMessageContaining("(expected: ");
  }
}
