package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The router's file changes while it runs.
class ReloadIT {
  @TempDir private Path dir;
  private Rig rig;
  private final List<ScriptedInstance> own = new ArrayList<>();

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.file = dir.resolve("router.toml");
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    for (ScriptedInstance i : own) {
      i.close();
    }
  }

  private void write(String toml) throws Exception {
    Files.writeString(rig.file, toml);
  }

  /// As editors and configuration managers do: another file in its place.
  private void rename(String toml) throws Exception {
    Path next = dir.resolve(".router.toml.swp");
    Files.writeString(next, toml);
    Files.move(next, rig.file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }

  private JsonNode settings() throws Exception {
    return rig.get("/readyz").path("settings");
  }

  private void awaitLoaded(String before) {
    await().atMost(Rig.SOON).until(() -> !settings().path("loaded").asText().equals(before));
  }

  private void awaitThreshold(String expected) {
    await()
        .atMost(Rig.SOON)
        .untilAsserted(
            () -> assertThat(rig.chat().field("x-infini-threshold")).isEqualTo(expected));
  }

  private void awaitError(String words) {
    await().atMost(Rig.SOON).until(() -> settings().path("error").asText().contains(words));
  }

  private static String table(ScriptedInstance i, String more) {
    return "[[instance]]\nurl = \"http://127.0.0.1:"
        + i.port()
        + "\"\nname = \""
        + i.name
        + "\"\nhealth_url = \"http://127.0.0.1:"
        + (i.port() + 1)
        + "/health\"\n"
        + more;
  }

  @Test
  void whatTheFileSaysHoldsWithoutARestartHoweverItIsWritten() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("100");
    write("threshold = 200\n");
    awaitThreshold("200");
    rename("threshold = 300\n");
    awaitThreshold("300");
    rename("threshold = 300\n[model_thresholds]\nm = 7\n[aliases]\nfast = \"m\"\n");
    awaitThreshold("7");
    Said alias = rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"fast\"}"));
    assertThat(alias.status()).isEqualTo(200);
    assertThat(rig.text("/metrics"))
        .contains("infini_router_threshold_bytes{model=\"m\",source=\"model\"} 7.0");
  }

  @Test
  void aFlagStandsOverTheFileAlsoWhenItChanges() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start("threshold=50");
    String before = settings().path("loaded").asText();
    write("threshold = 200\nsse_comments = 9\n");
    awaitLoaded(before);
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("50");
  }

  @Test
  void aBadFileChangesNothingAndIsNamed() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    rename("threshold = 200\nthreshhold = 5\n");
    await().atMost(Rig.SOON).until(() -> !settings().path("error").isNull());
    assertThat(settings().path("error").asText())
        .endsWith("router.toml:2: unknown key \"threshhold\" (did you mean \"threshold\"?)");
    assertThat(rig.text("/metrics")).contains("infini_router_settings_refused 1.0");
    Said ready = rig.send("GET /readyz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    assertThat(ready.status()).isEqualTo(200);
    assertThat(ready.body()).contains("the router's log says which").doesNotContain("threshhold");
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("100");
    write("host = \"127.0.0.1\"\nthreshold = [\n");
    awaitError("router.toml:2: unexpected end of input (expected: ], ");
    write("[[instance]]\nurl = \"http://127.0.0.1:1\"\nweight = -1\n");
    awaitError("router.toml:3: weight=-1 (expected: 0..9999)");
    write("threshold = \"many\"\n");
    awaitError("router.toml:1: threshold: many ");
    write("");
    awaitError("router.toml: empty (expected: settings, or a comment)");
    Files.delete(rig.file);
    awaitError("router.toml: no such file");
    Files.createDirectory(rig.file);
    awaitError("router.toml: no regular file");
    Files.delete(rig.file);
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("100");
    write("threshold = 300\n");
    awaitThreshold("300");
    await().atMost(Rig.SOON).until(() -> settings().path("error").isNull());
  }

  @Test
  void whatNeedsARestartIsNamedAndTheRestHolds() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    write("threshold = 200\nhealth_timeout = 9\nmax_body_bytes = 99\n");
    awaitThreshold("200");
    assertThat(rig.text("/metrics"))
        .contains("infini_router_settings_need_restart 2.0", "infini_router_settings_refused 0.0");
    assertThat(settings().path("needs_restart").toString())
        .isEqualTo("[\"health_timeout\",\"max_body_bytes\"]");
    write("threshold = 200\n");
    await().atMost(Rig.SOON).until(() -> settings().path("needs_restart").isEmpty());
  }

  @Test
  void aFileThatIsAwayForAMomentIsNoNews() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    Path aside = dir.resolve("router.toml~");
    for (int k = 0; k < 5; k++) {
      Files.move(rig.file, aside);
      assertThat(rig.chat().ok()).isTrue();
      Files.move(aside, rig.file);
      assertThat(settings().path("error").isNull()).isTrue();
    }
  }

  @Test
  void anEditorThatWritesInPiecesIsReadWhenItIsDone() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    for (String piece : List.of("threshold = 200\nsession_he", "ader = \"x-s", "ession\"\n")) {
      Files.writeString(
          rig.file,
          piece,
          piece.startsWith("threshold")
              ? StandardOpenOption.TRUNCATE_EXISTING
              : StandardOpenOption.APPEND);
    }
    awaitThreshold("200");
    assertThat(settings().path("error").isNull()).isTrue();
  }

  @Test
  void keysComeAndGo() throws Exception {
    rig.good("a");
    write("");
    rig.start();
    assertThat(rig.chat().status()).isEqualTo(200);
    String hash = ClientKey.hashLine("ik-one");
    write("[[keys]]\nname = \"one\"\nhash = \"" + hash + "\"\n");
    await().atMost(Rig.SOON).until(() -> rig.chat().status() == 401);
    String with = "Authorization: Bearer ik-one\r\n";
    assertThat(rig.send(Rig.post(Rig.CHAT, with, Rig.BODY)).status()).isEqualTo(200);
    write("[[keys]]\nname = \"one\"\nhash = \"ik-one\"\n");
    await().atMost(Rig.SOON).until(() -> !settings().path("error").isNull());
    assertThat(rig.text("/readyz")).contains("keys[0].hash").doesNotContain("ik-one");
    assertThat(rig.chat().status()).isEqualTo(401);
    write("# none\n");
    await().atMost(Rig.SOON).until(() -> rig.text("/readyz").contains("no [[keys]], where 1"));
    assertThat(rig.chat().status()).isEqualTo(401);
    write("keys = []\n");
    await().atMost(Rig.SOON).until(() -> rig.chat().status() == 200);
  }

  @Test
  void instancesComeGoAndChangeWhileRequestsRun() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    ScriptedInstance slow =
        new ScriptedInstance(
            "slow",
            ScriptedInstance.answering((r, n) -> {
              if (r.startsWith("POST")) {
                go.await();
              }
              return r.startsWith("POST") ? Rig.OK : Rig.answer(200, "", MODELS);
            }));
    own.add(slow);
    ScriptedInstance other = serving("other");
    write(table(slow, ""));
    rig.launch(Ticker.SYSTEM, List.of(), "registry_url=");
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    try (Socket s = rig.connect()) {
      s.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(UTF_8));
      await().atMost(Rig.SOON).until(() -> slow.seen.stream().anyMatch(x -> x.startsWith("POST")));
      rename(table(other, "weight = 3\ntier = 2\n"));
      await()
          .atMost(Rig.SOON)
          .until(() -> service("other").path("state").asText().equals("routable"));
      await().atMost(Rig.SOON).until(() -> service("slow").isMissingNode());
      assertThat(service("other").path("weight").asInt()).isEqualTo(3);
      assertThat(rig.chat().field("x-infini-instance")).isEqualTo("other");
      rename(table(other, "weight = 5\n"));
      await().atMost(Rig.SOON).until(() -> service("other").path("weight").asInt() == 5);
      assertThat(service("other").path("request_count").asInt()).as("the same one").isPositive();
      go.countDown();
      Said late = Said.read(new BufferedInputStream(s.getInputStream()));
      assertThat(late.status()).as("what ran goes on").isEqualTo(200);
      assertThat(late.field("x-infini-instance")).isEqualTo("slow");
    }
  }

  /// An instance that no registry lists.
  private ScriptedInstance serving(String name) throws Exception {
    ScriptedInstance i =
        new ScriptedInstance(
            name,
            ScriptedInstance.answering(
                (r, n) -> r.startsWith("POST") ? Rig.OK : Rig.answer(200, "", MODELS)));
    own.add(i);
    return i;
  }

  /// Each change leaves requests without an instance for a moment where it is not made with care:
  /// the next instance's models are not known when the last one leaves.
  @Test
  void noRequestIsLostWhileEverythingChangesUnderLoad() throws Exception {
    ScriptedInstance a = serving("a");
    ScriptedInstance b = serving("b");
    write(table(a, ""));
    rig.launch(Ticker.SYSTEM, List.of(), "registry_url=", "health_interval=0.2");
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger answered = new AtomicInteger();
    List<Future<?>> clients = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int k = 0; k < 3; k++) {
        clients.add(
            threads.submit(() -> {
              while (!stop.get()) {
                Said said = rig.chat();
                assertThat(said.status()).as(said.body()).isEqualTo(200);
                answered.incrementAndGet();
              }
              return null;
            }));
      }
      try {
        for (int k = 0; k < 4; k++) {
          ScriptedInstance next = k % 2 == 0 ? b : a;
          ScriptedInstance last = k % 2 == 0 ? a : b;
          rename("threshold = " + (100 + k) + "\n" + table(next, "weight = " + (k + 1) + "\n"));
          await().atMost(Rig.SOON).until(() -> service(last.name).isMissingNode());
          write("threshold = oops\n");
          await().atMost(Rig.SOON).until(() -> !settings().path("error").isNull());
          int before = answered.get();
          await().atMost(Rig.SOON).until(() -> answered.get() > before + 3);
        }
      } finally {
        stop.set(true);
      }
      for (Future<?> c : clients) {
        c.get();
      }
    }
  }

  @Test
  void aRequestSeesTheSettingsThatWereInForceWhenItCame() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    ScriptedInstance a = rig.holding("a", go);
    write("threshold = 100\ndecision_headers = true\n");
    rig.start();
    try (Socket s = rig.connect()) {
      s.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(UTF_8));
      await().atMost(Rig.SOON).until(() -> a.seen.stream().anyMatch(x -> x.startsWith("POST")));
      String before = settings().path("loaded").asText();
      write("threshold = 200\ndecision_headers = false\n");
      awaitLoaded(before);
      go.countDown();
      Said said = Said.read(new BufferedInputStream(s.getInputStream()));
      assertThat(said.status()).isEqualTo(200);
      assertThat(said.field("x-infini-threshold")).isEqualTo("100");
    }
    assertThat(rig.chat().field("x-infini-threshold")).as("the next one").isEmpty();
  }

  @Test
  void aFileStandsOverTheRegistryAndTheRegistryComesBack() throws Exception {
    ScriptedInstance a = rig.good("a");
    write("[[instance]]\nurl = \"http://127.0.0.1:" + a.port() + "\"\nname = \"a\"\nweight = 9\n");
    rig.start("registry_sync_interval=60");
    await().atMost(Rig.SOON).until(() -> service("a").path("weight").asInt() == 9);
    write("threshold = 1\n");
    await().atMost(Rig.SOON).until(() -> service("a").path("weight").asInt() == 1);
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    assertThat(rig.chat().status()).isEqualTo(200);
  }

  @Test
  void theFileOfStaticServicesIsFollowedToo() throws Exception {
    ScriptedInstance a = serving("a");
    Path list = dir.resolve("services.json");
    String one = "{\"name\":\"a\",\"url\":\"http://127.0.0.1:" + a.port() + "\",\"weight\":";
    Files.writeString(list, "[" + one + "2}]");
    write("static_services = \"" + list + "\"\n");
    rig.launch(Ticker.SYSTEM, List.of(), "registry_url=");
    await().atMost(Rig.SOON).until(() -> service("a").path("weight").asInt() == 2);
    Files.writeString(list, "[\n" + one + "-2}]");
    awaitError("services.json:2: services[0].weight: -2 (expected: 0 or more)");
    Files.writeString(list, "[" + one + "3}]");
    await().atMost(Rig.SOON).until(() -> service("a").path("weight").asInt() == 3);
    await().atMost(Rig.SOON).until(() -> settings().path("error").isNull());
  }

  @Test
  void theEventFeedSaysWhatWasReadAndWhatWasRefused() throws Exception {
    rig.good("a");
    write("threshold = 100\n");
    rig.start();
    try (Socket s = rig.connect()) {
      s.getOutputStream().write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(UTF_8));
      BufferedReader told = new BufferedReader(new InputStreamReader(s.getInputStream(), UTF_8));
      write("threshold = 200\nhealth_timeout = 9\n");
      line(told, "\"state\":\"loaded\"", "threshold; needs a restart: health_timeout");
      write("threshold = 200\nno = 1\n");
      line(told, "\"state\":\"refused\"", "router.toml:2: unknown key");
    }
  }

  private static void line(BufferedReader from, String... words) throws Exception {
    for (String l = from.readLine(); l != null; l = from.readLine()) {
      if (Stream.of(words).allMatch(l::contains)) {
        return;
      }
    }
    throw new AssertionError("the feed ended before it said " + List.of(words));
  }

  private static final String MODELS = "{\"data\":[{\"id\":\"m\"}]}";

  private JsonNode service(String name) throws Exception {
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    return MissingNode.getInstance();
  }

  @Test
  void anInstanceThatMovesIsANewOne() throws Exception {
    ScriptedInstance first = serving("x");
    ScriptedInstance second = serving("x");
    write(table(first, ""));
    rig.launch(Ticker.SYSTEM, List.of(), "registry_url=");
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    assertThat(rig.chat().status()).isEqualTo(200);
    write(table(second, ""));
    await()
        .atMost(Rig.SOON)
        .until(() -> service("x").path("url").asText().endsWith(":" + second.port()));
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    assertThat(service("x").path("request_count").asInt()).isZero();
    assertThat(rig.chat().status()).isEqualTo(200);
    assertThat(second.seen).anyMatch(s -> s.startsWith("POST"));
  }

  @Test
  void thePolicyAndPlacesChange() throws Exception {
    rig.good("a");
    write("policy = \"cache-type\"\n");
    rig.start();
    assertThat(rig.chat().field("x-infini-reason")).isEqualTo("only");
    write("policy = \"adaptive\"\nqueue_limit = 5\nadmin_token = \"t\"\n");
    await().atMost(Rig.SOON).until(() -> rig.get("/decisions").has("learned"));
    assertThat(rig.chat().status()).isEqualTo(200);
    String drain = Rig.post("/admin/instances/a/drain", "Content-Type: application/json\r\n", "");
    assertThat(rig.send(drain).status()).as("the token holds").isEqualTo(401);
    write("policy = \"round-robin\"\nadmin_token = \"\"\n");
    await().atMost(Rig.SOON).until(() -> !rig.get("/decisions").has("learned"));
    assertThat(rig.chat().status()).isEqualTo(200);
  }

  @Test
  void aHangUpReadsTheFileAndEndsNothing() throws Exception {
    write("threshold = 100\n");
    try (Programs programs = new Programs(dir)) {
      Programs.Running router = programs.router("--config-file", rig.file.toString());
      assertThat(router.said()).doesNotContain("read anew");
      router.signal("HUP");
      await().atMost(Rig.SOON).until(() -> router.said().contains("settings were read anew"));
      write("threshold = \n");
      String why = "settings stay as they were: " + rig.file + ":1: unexpected end of line";
      await().atMost(Rig.SOON).until(() -> router.said().contains(why));
      assertThat(router.process().isAlive()).isTrue();
      router.end();
      assertThat(router.process().exitValue()).isZero();
    }
  }

  /// It ended a registry, and a router without a file, which a service manager's reload sends it
  /// to.
  @Test
  void aHangUpEndsNothingWhereThereIsNothingToRead() throws Exception {
    try (Programs programs = new Programs(dir)) {
      for (Programs.Running service :
          List.of(programs.registry(), programs.router("--registry-url", "http://127.0.0.1:1"))) {
        service.signal("HUP");
        await().atMost(Rig.SOON).until(() -> service.said().contains("nothing is read anew"));
        assertThat(service.process().isAlive()).isTrue();
        service.end();
        assertThat(service.process().exitValue()).isZero();
      }
    }
  }
}
