package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What no client should send, by class: refused without a 500, without a change, and without
/// anything of this machine in the answer.
@Timeout(60)
class BadInputIT {
  private static final String KEPT =
      "{\"name\":\"kept\",\"host\":\"h\",\"port\":1,\"hostname\":\"h\",\"url\":\"http://h:1\","
          + "\"status\":\"running\",\"metadata\":{}}";
  private static final String CANARY = "what-no-answer-may-show";

  @TempDir private Path dir;
  private RegistryServer registry;
  private Path file;

  /// @param target may have anything that fits into a request line; FILE is a file of this machine
  record Bad(String what, String method, String target, String body) {
    @Override
    public String toString() {
      return what;
    }
  }

  /// A registry with an empty table, wherever that lives.
  RegistryServer.Options options() {
    return RegistryServer.Options.at(0);
  }

  @BeforeEach
  void begin() throws IOException {
    file = Files.writeString(dir.resolve("secret"), CANARY);
    registry =
        RegistryServer.start(
            options().dataDir(dir.resolve("journal")), Ticker.SYSTEM, new Random(1));
    assertThat(ask("POST", "/services", KEPT)).startsWith("HTTP/1.1 201 ");
  }

  @AfterEach
  void end() throws IOException {
    registry.close();
  }

  private static Bad post(String what, String body) {
    return new Bad(what, "POST", "/services", body);
  }

  private static Bad get(String what, String target) {
    return new Bad(what, "GET", target, "");
  }

  static Stream<Bad> inputs() {
    return Stream.of(
        get("a path to a file", "FILE"),
        get("a path out of the route", "/services/../../../../../../..FILE"),
        get("an escaped path out of the route", "/services/..%2f..%2f..%2f..%2f..FILE"),
        get("a path escaped twice", "/services/%252e%252e%252fFILE"),
        get("a name with a NUL", "/services/FILE%00"),
        get("a journal's name", "/journal.jsonl"),
        get("a variable of a shell", "/services/$PATH"),
        get("a variable of a template", "/services/${env:PATH}"),
        get("a lookup", "/services/${jndi:ldap://127.0.0.1:1/x}"),
        get("a call of a shell", "/services/$(cat${IFS}FILE)"),
        get("bytes that are no UTF-8", "/services/%ff%fe"),
        get("a wait that is a file", "/watch?wait=FILE"),
        get("a method's name for a route", "/services/kept/../health"),
        new Bad("an unknown method", "FILE", "/services", ""),
        new Bad("a name of another in the path", "DELETE", "/services/KEPT", ""),
        new Bad("a heartbeat of nobody", "POST", "/services/FILE/heartbeat", "{}"),
        post("an empty body", ""),
        post("text", "file://FILE"),
        post("an entity of XML", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file://FILE\">]><x>&e;</x>"),
        post("a type for a deserializer", "{\"@class\":\"java.lang.ProcessBuilder\"}"),
        post("a tag of YAML", "!!javax.script.ScriptEngineManager [FILE]"),
        post("a list", "[" + KEPT + "]"),
        post("a number for a name", KEPT.replace("\"kept\"", "7")),
        post("an object for a port", KEPT.replace(":1,", ":{\"a\":1},")),
        post("a URL of a file", KEPT.replace("http://h:1", "file://FILE")),
        post("a URL of a jar", KEPT.replace("http://h:1", "jar:file:FILE!/x")),
        post("a URL with a line break", KEPT.replace("http://h:1", "http://h:1/\\r\\nx: y")),
        post("metadata that is a file", KEPT.replace("{}", "\"FILE\"")));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("inputs")
  void badInputIsRefusedChangesNothingAndShowsNothing(Bad bad) throws IOException {
    String name = file.toString();
    String before = table();
    String target = bad.target().replace("FILE", name);
    String body = bad.body().replace("FILE", name);
    String answer = ask(bad.method().replace("FILE", "CAT"), target, body);

    assertThat(answer.substring(0, 10)).isEqualTo("HTTP/1.1 4");
    assertThat(answer)
        .doesNotContain(CANARY)
        .doesNotContain("Exception", "\tat ", "org.infinilm", "java.", "com.fasterxml");
    for (String value : List.of("PATH", "HOME", "JAVA_HOME")) {
      String held = System.getenv(value);
      if (held != null && held.length() > 3) {
        assertThat(answer).as(value).doesNotContain(held);
      }
    }
    assertThat(table()).isEqualTo(before);
  }

  /// All entries, without the head, the time of the answer and what a probe says of them.
  private String table() throws IOException {
    String answer = ask("GET", "/services", "");
    String json = answer.substring(answer.indexOf("\r\n\r\n"));
    return json.replaceFirst("\"timestamp\":\"[^\"]*\",\"total", "")
        .replaceAll("\"(health_status|is_healthy)\":[^,]*,", "");
  }

  /// The whole answer as text.
  private String ask(String method, String target, String body) throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    try (Socket s = new Socket("127.0.0.1", registry.port())) {
      s.getOutputStream()
          .write(
              (method
                      + " "
                      + target
                      + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                      + "content-type: application/json\r\ncontent-length: "
                      + bytes.length
                      + "\r\n\r\n"
                      + body)
                  .getBytes(StandardCharsets.UTF_8));
      return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
