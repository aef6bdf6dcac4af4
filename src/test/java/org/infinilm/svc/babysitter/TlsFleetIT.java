package org.infinilm.svc.babysitter;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.deploy.ValidateProgram;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.registry.RegistryProgram;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.infinilm.svc.top.InstancePrograms;
import org.infinilm.svc.top.TopProgram;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Registry, babysitter, router and commands speak TLS with each other.
class TlsFleetIT extends BabysitterHarness {
  private static final Duration SOON = Duration.ofSeconds(10);

  private Path ca;
  private Path cert;
  private Path key;
  private Tls.Own own;

  @BeforeEach
  void certificates() throws Exception {
    X509Bundle authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=an authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    X509Bundle server =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=one machine")
            .addSanDnsName("localhost")
            .addSanIpAddress("127.0.0.1")
            .buildIssuedBy(authority);
    ca = Files.writeString(dir.resolve("ca.pem"), authority.getCertificatePEM());
    cert = Files.writeString(dir.resolve("cert.pem"), server.getCertificatePEM());
    key = Files.writeString(dir.resolve("key.pem"), server.getPrivateKeyPEM());
    X509Bundle client =
        new CertificateBuilder().ecp256().subject("CN=one of us").buildIssuedBy(authority);
    own =
        new Tls.Own(
            Files.writeString(dir.resolve("client.pem"), client.getCertificatePEM()),
            Files.writeString(dir.resolve("client-key.pem"), client.getPrivateKeyPEM()));
  }

  private RegistryServer secureRegistry(boolean mutual) throws Exception {
    TlsSettings tls = new TlsSettings(cert, key, mutual ? ca : null, true, ca, mutual ? own : null);
    RegistryServer r =
        RegistryServer.start(
            RegistryServer.Options.at(0)
                .probes(Duration.ofMillis(200), Duration.ofSeconds(5))
                .tls(tls),
            Ticker.SYSTEM,
            new SplittableRandom(1));
    open.add(r);
    return r;
  }

  private Path file(String registry, boolean mutual) throws Exception {
    Path f = toml(registry, List.of(), List.of());
    return Files.writeString(
        f,
        """
        tls_cert = "%s"
        tls_key = "%s"
        ca_file = "%s"
        """
                .formatted(cert, key, ca)
            + (mutual ? "tls_client_ca = \"" + ca + "\"\n" : "")
            + (mutual ? "client_cert = \"" + own.cert() + "\"\n" : "")
            + (mutual ? "client_key = \"" + own.key() + "\"\n" : "")
            + Files.readString(f).replace("host = \"0.0.0.0\"", "host = \"127.0.0.1\""));
  }

  private JsonNode json(String uri) throws Exception {
    try (Client c = Client.create().with(Tls.of(ca, null, own, null))) {
      return Json.tree(c.send("GET", URI.create(uri), Headers.NONE, new byte[0], SOON).body());
    }
  }

  private JsonNode entry(String registry, String name) throws Exception {
    for (JsonNode s : json(registry + "/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    return Json.tree("{}".getBytes(UTF_8));
  }

  private String run(Program p, List<String> arguments, Map<String, String> flags)
      throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.put("ca_file", ca.toString());
    all.put("client_cert", own.cert().toString());
    all.put("client_key", own.key().toString());
    PrintStream out = System.out;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, UTF_8));
    try {
      Config config = Config.resolve(p.keys(), all, Map.of(), null);
      p.run().run(new Program.Args(config, all, arguments, Map.of()));
    } finally {
      System.setOut(out);
    }
    return said.toString(UTF_8);
  }

  private static Program instanceProgram(String name) {
    return InstancePrograms.PROGRAMS.stream()
        .filter(p -> p.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private Process router(String registry, int at, boolean mutual) throws Exception {
    List<String> line =
        new ArrayList<>(
            List.of(
                JAVA,
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                "org.infinilm.svc.cli.Main",
                "router",
                "--host",
                "127.0.0.1",
                "--router-port",
                "" + at,
                "--registry-url",
                registry));
    line.addAll(List.of("--tls-cert", "" + cert, "--tls-key", "" + key, "--ca-file", "" + ca));
    if (mutual) {
      line.addAll(List.of("--tls-client-ca", "" + ca));
      line.addAll(List.of("--client-cert", "" + own.cert(), "--client-key", "" + own.key()));
    }
    Path log = dir.resolve("router.log");
    Process p =
        new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    open.add(() -> p.destroyForcibly().waitFor());
    return p;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void fromTheRegistryToTheCommandsEverythingIsSaidOverTls(boolean mutual) throws Exception {
    String registry = "https://127.0.0.1:" + secureRegistry(mutual).port();
    start(file(registry, mutual));
    String sitter = "https://127.0.0.1:" + (port + 1);
    await().until(() -> entry(registry, "t-server").path("is_healthy").asBoolean());
    assertThat(entry(registry, "t").path("url").asText()).isEqualTo(sitter);
    assertThat(entry(registry, "t-server").path("url").asText())
        .isEqualTo("http://127.0.0.1:" + port);
    assertThat(json(sitter + "/health").path("status").asText()).isEqualTo("healthy");
    assertThat(json(sitter + "/info").path("url").asText()).isEqualTo(sitter);

    int at = LowPorts.two();
    router(registry, at, mutual);
    String router = "https://127.0.0.1:" + at;
    await()
        .ignoreExceptions()
        .until(() -> json(router + "/readyz").path("status").asText().equals("ready"));
    if (mutual) {
      try (Client stranger = Client.create().with(Tls.of(ca, null))) {
        for (String each : List.of(registry, sitter, router)) {
          assertThatThrownBy(() -> stranger.get(URI.create(each + "/health"), SOON))
              .isInstanceOf(IOException.class);
        }
      }
    }
    assertThat(run(instanceProgram("instance list"), List.of(), Map.of("url", router)))
        .contains("t-server");
    assertThat(run(TopProgram.PROGRAM, List.of(router), Map.of("once", "true")))
        .contains("1 of 1 in service");
    String checks =
        run(
            ValidateProgram.PROGRAM,
            List.of("https://127.0.0.1"),
            Map.of(
                "registry_port",
                registry.substring(registry.lastIndexOf(':') + 1),
                "router_port",
                "" + at,
                "json",
                "true"));
    for (JsonNode c : Json.tree(checks.getBytes(UTF_8)).path("checks")) {
      if (c.path("name").asText().contains("health")) {
        assertThat(c.path("ok").asBoolean()).as(c.toString()).isTrue();
      }
    }
    assertThat(run(RegistryProgram.DRAIN, List.of("t"), Map.of("registry_url", registry)))
        .contains("running -> draining");
    await().until(() -> entry(registry, "t-server").path("status").asText().equals("draining"));
  }
}
