package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is done to a router over HTTP.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class AdminIT {
  private static final String JSON = "Content-Type: application/json\r\n";
  private static final String ADMIN = JSON + "Authorization: Bearer admin\r\n";
  private static final String INSTANCES = "/admin/instances";
  private static final String MODELS = "{\"data\":[{\"id\":\"m\"}]}";

  @TempDir private Path dir;
  private Rig rig;
  private ScriptedInstance more;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    more =
        new ScriptedInstance(
            "more",
            ScriptedInstance.answering(
                (r, n) -> r.startsWith("POST") ? Rig.OK : Rig.answer(200, "", MODELS)));
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    more.close();
  }

  private Said act(String path, String body) throws Exception {
    return rig.send(Rig.post(path, ADMIN, body));
  }

  private Said delete(String name, String fields) throws Exception {
    return rig.send(
        "DELETE " + INSTANCES + "/" + name + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }

  private static String message(Said said) throws Exception {
    return Json.tree(said.body().getBytes(StandardCharsets.UTF_8))
        .path("error")
        .path("message")
        .asText();
  }

  private String one(String more) {
    return ("{\"url\":\"http://127.0.0.1:" + this.more.port() + "\",\"name\":\"more\",")
        + ("\"health_url\":\"http://127.0.0.1:"
            + (this.more.port() + 1)
            + "/health\""
            + more
            + "}");
  }

  /// The same instance in a file, under a name.
  private String table(String name) {
    return "[[instance]]\nurl = \"http://127.0.0.1:"
        + more.port()
        + "\"\nname = \""
        + name
        + "\"\n";
  }

  private void startWithFileAndOneAdded() throws Exception {
    rig.file = dir.resolve("router.toml");
    Files.writeString(rig.file, "threshold = 100\n");
    rig.start("admin_token=admin");
    act(INSTANCES, one(""));
    rig.awaitState("more", "routable");
  }

  /// A slip in a path, or a command with another address, must not hand it to whoever serves
  /// models.
  @Test
  void theAdminTokenIsSentOnToNoInstance() throws Exception {
    ScriptedInstance a = rig.good("a");
    rig.start("admin_token=admin");
    for (String path : List.of("/admin", "/statss", "/prefix/services", "/v1/chat/completions")) {
      for (String field :
          List.of(
              "Authorization: bearer admin\r\n",
              "Authorization: admin\r\n",
              "Authorization: Bearer sk-x\r\nAuthorization: Bearer admin\r\n",
              "X-Api-Key: admin\r\n",
              "X-Api-Key: Bearer admin\r\n",
              "Api-Key: admin\r\n")) {
        Said no = rig.send(Rig.post(path, JSON + field, "{\"model\":\"m\"}"));
        assertThat(no.status()).as(path).isEqualTo(401);
        assertThat(message(no)).contains("the admin token at " + path);
      }
    }
    assertThat(rig.send(Rig.post("/statss", JSON + "Authorization: Bearer other\r\n", "{}")).ok())
        .isTrue();
    assertThat(a.seen)
        .noneMatch(r -> r.contains("admin"))
        .anyMatch(r -> r.contains("Bearer other"));
  }

  @Test
  void anInstanceIsAddedServesAndIsRemoved() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    Said added = act(INSTANCES, one(",\"weight\":3,\"tier\":0"));
    assertThat(added.status()).isEqualTo(201);
    assertThat(added.body()).contains("\"instance\":\"more\"", "\"kept\":false");
    rig.awaitState("more", "routable");
    assertThat(rig.service("more").path("weight").asInt()).isEqualTo(3);
    assertThat(rig.service("more").path("added").asBoolean()).isTrue();
    assertThat(rig.service("a").path("added").asBoolean()).isFalse();
    assertThat(rig.chat().field("x-infini-instance")).as("tier 0 goes first").isEqualTo("more");
    assertThat(act(INSTANCES, one("")).status()).as("again").isEqualTo(409);
    assertThat(delete("more", ADMIN).status()).isEqualTo(200);
    rig.awaitState("more", "gone");
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("a");
    assertThat(delete("more", ADMIN).status()).isEqualTo(404);
    Said others = delete("a", ADMIN);
    assertThat(others.status()).isEqualTo(409);
    assertThat(message(others)).contains("was not added over HTTP");
  }

  @Test
  void whatCannotBeAddedIsNamed() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    String url = "{\"url\":\"http://h:1\"";
    String[][] wrong = {
      {"", "400", "no JSON"},
      {"[]", "400", "the body is no JSON object"},
      {"{}", "400", "url: missing (expected: http://host:port or https://...)"},
      {"{\"url\":\"h:1\"}", "400", "url: h:1 (expected: http://host:port"},
      {"{\"url\":\"unix:/run/docker.sock\"}", "400", "url: unix:/run/docker.sock (expected"},
      {url + ",\"api_key_env\":\"AWS_SECRET\"}", "400", "api_key_env (expected: url, name"},
      {url + ",\"ca_file\":\"/etc/shadow\"}", "400", "ca_file (expected: url, name"},
      {url + ",\"weigth\":1}", "400", "weigth (did you mean \"weight\"?)"},
      {url + ",\"weight\":-1}", "400", "weight: weight=-1 (expected: 0..9999)"},
      {url + ",\"weight\":[1]}", "400", "weight: [1] (expected: a text or a whole number)"},
      {url + ",\"cache_type\":\"x\"}", "400", "cache_type=x (expected: paged or static)"},
      {url + ",\"keep\":true}", "400", "keep: true (expected: a router with added_instances"},
      {url + ",\"keep\":1}", "400", "keep: 1 (expected: true or false)"},
      {url + ",\"name\":\"a\"}", "409", "name: a (expected: a name that no instance has here)"},
      {url + ",\"name\":\"x\\ny\"}", "400", "(expected: a name without control characters"},
      {url + ",\"name\":\"\\ud800\"}", "400", "(expected: a name without control characters"},
      {url + ",\"name\":\"..\"}", "400", "name=.. (expected: a name without control"},
    };
    for (String[] w : wrong) {
      Said said = act(INSTANCES, w[0]);
      assertThat(said.status()).as(w[0]).isEqualTo(Integer.parseInt(w[1]));
      assertThat(message(said)).as(w[0]).contains(w[2]);
    }
    assertThat(rig.get("/services").path("total").asInt()).isEqualTo(1);
  }

  /// A misspelt model set the threshold of all of them.
  @Test
  void whatWouldBeIgnoredIsRefused() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    String before = rig.chat().field("x-infini-threshold");
    String[][] wrong = {
      {
        "/admin/threshold",
        "{\"threshold\":5,\"mdoel\":\"m\"}",
        "mdoel (expected: threshold, model)"
      },
      {"/admin/threshold", "{\"threshold\":5,\"model\":\"\"}", "model: \"\" (expected: a name"},
      {"/admin/threshold?model=m", "{\"threshold\":5}", "?model=m (expected: no query"},
      {INSTANCES + "?keep=true", one(""), "?keep=true (expected: no query"},
      {INSTANCES + "/a/weight", "{\"weight\":5,\"tier\":1}", "tier (expected: weight)"},
      {INSTANCES + "/a/weight", "[5]", "the body is no JSON object (expected: weight)"},
      {INSTANCES + "/a/drain", "garbage", "the body is no JSON: "},
      {INSTANCES + "/a/drain", "[]", "the body is no JSON object (expected: {})"},
      {INSTANCES + "/a/drain", "{\"seconds\":60}", "seconds (expected: {})"},
      {INSTANCES + "/a/undrain", "{} {}", "the body is no JSON: "},
    };
    for (String[] w : wrong) {
      Said said = act(w[0], w[1]);
      assertThat(said.status()).as(w[0] + w[1]).isEqualTo(400);
      assertThat(message(said)).as(w[0] + w[1]).startsWith(w[2]);
    }
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo(before);
    assertThat(rig.service("a").path("weight").asInt()).isEqualTo(1);
    assertThat(rig.service("a").path("drained_here").asBoolean()).isFalse();
    assertThat(rig.get("/services").path("total").asInt()).isEqualTo(1);
  }

  @Test
  void mediaTypesAreWholeAndIgnoreCase() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    String[][] types = {
      {"Application/JSON; charset=utf-8", "202"},
      {"application/json ;charset=utf-8", "202"},
      {"application/jsonx", "415"},
      {"application/json-patch+json", "415"},
      {"text/plain", "415"},
    };
    for (String[] t : types) {
      String fields = "Authorization: Bearer admin\r\nContent-Type: " + t[0] + "\r\n";
      assertThat(rig.send(Rig.post(INSTANCES + "/a/undrain", fields, "{}")).status())
          .as(t[0])
          .isEqualTo(Integer.parseInt(t[1]));
    }
  }

  /// Whoever acted on what was just added could be told that it was not known.
  @Test
  void whatIsAnsweredHasHappened() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    for (int k = 0; k < 20; k++) {
      assertThat(act(INSTANCES, one("")).status()).isEqualTo(201);
      assertThat(act(INSTANCES + "/more/weight", "{\"weight\":7}").status()).isEqualTo(202);
      assertThat(rig.service("more").path("weight").asInt()).isEqualTo(7);
      assertThat(act(INSTANCES + "/more/drain", "{}").status()).isEqualTo(202);
      assertThat(rig.service("more").path("drained_here").asBoolean()).isTrue();
      assertThat(delete("more", ADMIN).status()).isEqualTo(200);
      assertThat(rig.service("more").isMissingNode()).isTrue();
    }
  }

  @Test
  void whoMayNotActIsToldAndNothingHappens() throws Exception {
    rig.good("a");
    rig.start();
    String here = Rig.post(INSTANCES, JSON, one("")).replace("router.example", "localhost");
    Said tokenless = rig.send(here);
    assertThat(tokenless.status()).as("a router without a token").isEqualTo(403);
    assertThat(message(tokenless)).contains("a router with an admin_token");
    Said drain =
        rig.send(
            Rig.post(INSTANCES + "/a/drain", JSON, "{}").replace("router.example", "localhost"));
    assertThat(drain.status()).as("as before").isEqualTo(202);
    assertThat(rig.get("/services").path("total").asInt()).isEqualTo(1);
  }

  @Test
  void aPageOfAnotherOriginCannotAct() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    String[] withoutToken = {JSON, JSON + "Origin: http://evil\r\n", "Authorization: Bearer x\r\n"};
    for (String fields : withoutToken) {
      for (String path : List.of(INSTANCES, "/admin/threshold", INSTANCES + "/a/weight")) {
        assertThat(rig.send(Rig.post(path, fields, one(""))).status()).as(path).isEqualTo(401);
      }
      assertThat(delete("a", fields).status()).isEqualTo(401);
    }
    String form = "Content-Type: text/plain\r\nAuthorization: Bearer admin\r\n";
    assertThat(rig.send(Rig.post(INSTANCES, form, one(""))).status()).isEqualTo(415);
    assertThat(act("/admin/else", "{}").status()).isEqualTo(404);
    Said get = rig.send("GET " + INSTANCES + " HTTP/1.1\r\nHost: x\r\n" + ADMIN + "\r\n");
    assertThat(get.status()).isEqualTo(405);
    assertThat(get.field("allow")).isEqualTo("POST");
    Said post = act(INSTANCES + "/a", "{}");
    assertThat(post.field("allow")).isEqualTo("DELETE");
    assertThat(rig.get("/services").path("total").asInt()).isEqualTo(1);
  }

  @Test
  void weightsAndThresholdsAreSetAndTakenBack() throws Exception {
    rig.good("a");
    rig.file = dir.resolve("router.toml");
    Files.writeString(rig.file, "threshold = 100\n");
    rig.start("admin_token=admin");
    assertThat(act(INSTANCES + "/a/weight", "{\"weight\":7}").status()).isEqualTo(202);
    await().atMost(Rig.SOON).until(() -> rig.service("a").path("weight").asInt() == 7);
    assertThat(act(INSTANCES + "/a/weight", "{\"weight\":null}").status()).isEqualTo(202);
    await().atMost(Rig.SOON).until(() -> rig.service("a").path("weight").asInt() == 1);
    assertThat(act(INSTANCES + "/b/weight", "{\"weight\":7}").status()).isEqualTo(404);
    assertThat(message(act(INSTANCES + "/a/weight", "{\"weight\":-1}")))
        .isEqualTo("weight: -1 (expected: a whole number 0..9999, or null for its own)");
    assertThat(message(act(INSTANCES + "/a/weight", "{}"))).startsWith("the body has no weight");

    assertThat(act("/admin/threshold", "{\"threshold\":5}").status()).isEqualTo(202);
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("5");
    act("/admin/threshold", "{\"threshold\":9,\"model\":\"m\"}");
    assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("9");
    Files.writeString(rig.file, "threshold = 200\n");
    rig.router().reload();
    act("/admin/threshold", "{\"threshold\":null,\"model\":\"m\"}");
    assertThat(rig.chat().field("x-infini-threshold")).as("over the file").isEqualTo("5");
    act("/admin/threshold", "{\"threshold\":null}");
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> assertThat(rig.chat().field("x-infini-threshold")).isEqualTo("200"));
    assertThat(act("/admin/threshold", "{\"threshold\":9,\"model\":\"no\"}").status())
        .isEqualTo(404);
    assertThat(message(act("/admin/threshold", "{\"threshold\":-9}")))
        .isEqualTo(
            "threshold: -9 (expected: a whole number 0..9223372036854775807, or null for the file's)");
  }

  @Test
  void whatIsKeptComesBackAndADamagedFileIsSetAside() throws Exception {
    Path kept = dir.resolve("added.json");
    rig.good("a");
    rig.start("admin_token=admin", "added_instances=" + kept);
    assertThat(act(INSTANCES, one(",\"keep\":true")).status()).isEqualTo(201);
    assertThat(act(INSTANCES, "{\"url\":\"http://127.0.0.1:1\",\"name\":\"passing\"}").status())
        .isEqualTo(201);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(kept)))
        .isEqualTo("rw-------");
    assertThat(Files.readString(kept)).contains("more").doesNotContain("passing");
    Router second = rig.launch(Ticker.SYSTEM, List.of(), "added_instances=" + kept);
    await().atMost(Rig.SOON).until(() -> health(second).contains("2/2"));
    assertThat(delete("more", ADMIN).status()).isEqualTo(200);
    assertThat(Files.readString(kept)).doesNotContain("more");

    rig.router().close();
    Files.writeString(kept, "{damaged");
    Router third = rig.launch(Ticker.SYSTEM, List.of(), "added_instances=" + kept);
    assertThat(third.port()).isPositive();
    assertThat(kept).doesNotExist();
    assertThat(dir.resolve("added.json.damaged")).hasContent("{damaged");
  }

  private String health(Router r) throws Exception {
    URI at = URI.create("http://127.0.0.1:" + r.port() + "/health");
    return new String(rig.client.get(at, Rig.SOON).body(), StandardCharsets.UTF_8);
  }

  @Test
  void whatCannotBeKeptIsNotAdded() throws Exception {
    Path none = dir.resolve("none");
    Files.writeString(none, "no folder");
    Path kept = none.resolve("added.json");
    rig.good("a");
    rig.start("admin_token=admin", "added_instances=" + kept);
    Said said = act(INSTANCES, one(",\"keep\":true"));
    assertThat(said.status()).isEqualTo(500);
    assertThat(message(said))
        .startsWith("the router could not keep it: " + kept + ": cannot be written: ");
    assertThat(rig.get("/services").path("total").asInt()).isEqualTo(1);
    assertThat(rig.chat().status()).isEqualTo(200);
  }

  @Test
  void filesAreReadAgainBesideWhatWasAdded() throws Exception {
    rig.good("a");
    startWithFileAndOneAdded();
    Files.writeString(rig.file, "threshold = 200\n" + table("n"));
    await().atMost(Rig.SOON).until(() -> !rig.service("n").isMissingNode());
    assertThat(rig.service("more").isMissingNode()).isFalse();
    Files.writeString(rig.file, table("more") + "weight = 8\n");
    rig.awaitState("n", "gone");
    await().atMost(Rig.SOON).until(() -> rig.service("more").path("weight").asInt() == 8);
    assertThat(rig.service("more").path("added").asBoolean()).as("the file counts").isFalse();
    assertThat(act(INSTANCES, one("")).status()).isEqualTo(409);
    Files.writeString(rig.file, "threshold = 300\n");
    await().atMost(Rig.SOON).until(() -> rig.service("more").path("weight").asInt() == 1);
    assertThat(rig.service("more").path("added").asBoolean()).isTrue();
  }

  /// G3: a rolling replacement under one name came up drained, with the weight of the one before.
  @Test
  void whatIsAddedAgainUnderANameBeginsAnew() throws Exception {
    rig.good("a");
    Path kept = dir.resolve("added.json");
    rig.start("admin_token=admin", "added_instances=" + kept);
    try (ScriptedInstance next =
        new ScriptedInstance(
            "next",
            ScriptedInstance.answering(
                (r, n) -> r.startsWith("POST") ? Rig.OK : Rig.answer(200, "", MODELS)))) {
      String other = one(",\"keep\":true,\"weight\":3").replace("" + more.port(), "" + next.port());
      String healthy = other.replace("" + (more.port() + 1), "" + (next.port() + 1));
      for (String again : List.of(healthy, one(",\"keep\":true,\"weight\":3"))) {
        assertThat(act(INSTANCES, one(",\"keep\":true")).status()).isEqualTo(201);
        rig.awaitState("more", "routable");
        act(INSTANCES + "/more/weight", "{\"weight\":0}");
        act(INSTANCES + "/more/drain", "{}");
        rig.awaitState("more", "draining");
        assertThat(delete("more", ADMIN).status()).isEqualTo(200);
        rig.awaitState("more", "gone");
        assertThat(act(INSTANCES, again).status()).isEqualTo(201);
        rig.awaitState("more", "routable");
        assertThat(rig.service("more").path("weight").asInt()).isEqualTo(3);
        assertThat(delete("more", ADMIN).status()).isEqualTo(200);
        rig.awaitState("more", "gone");
      }
    }
  }

  @Test
  void whatAFileNamesTooIsSaidToStay() throws Exception {
    rig.good("a");
    startWithFileAndOneAdded();
    Files.writeString(rig.file, table("more"));
    await().atMost(Rig.SOON).until(() -> !rig.service("more").path("added").asBoolean());
    Said said = delete("more", ADMIN);
    assertThat(said.status()).isEqualTo(200);
    assertThat(said.body()).contains("\"removed\":false", "of a file or flag goes on serving");
    assertThat(delete("more", ADMIN).status()).isEqualTo(409);
    assertThat(rig.service("more").path("state").asText()).isNotEqualTo("gone");
    Files.writeString(rig.file, "threshold = 100\n");
    rig.awaitState("more", "gone");
  }

  @Test
  void whatTheRegistryListsTooIsSaidToTakeItsPlace() throws Exception {
    rig.good("a");
    rig.start("admin_token=admin");
    act(INSTANCES, one(""));
    rig.awaitState("more", "routable");
    assertThat(delete("more", ADMIN).body()).contains("\"removed\":true").doesNotContain("message");
    rig.awaitState("more", "gone");
    act(INSTANCES, one(""));
    rig.awaitState("more", "routable");
    ScriptedInstance listed =
        new ScriptedInstance("more", ScriptedInstance.answering((r, n) -> Rig.OK));
    rig.listed(listed, Map.of("models", List.of("m"), "weight", 5));
    // listed after it: the router has heard of both
    rig.good("z");
    rig.awaitState("z", "routable");
    assertThat(delete("more", ADMIN).body())
        .contains("the registry lists an instance more, which takes");
    await().atMost(Rig.SOON).until(() -> rig.service("more").path("weight").asInt() == 5);
  }
}
