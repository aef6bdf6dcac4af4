package org.infinilm.svc.router;

import io.netty.handler.codec.dns.DnsResponseCode;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.infinilm.svc.discovery.NameServer;
import org.infinilm.svc.kubernetes.ApiServer;
import org.infinilm.svc.kubernetes.Pods;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.registry.Tokens;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.provider.Arguments;

/// Folders, names, pods and a registry; etcd is in [AwayIsNotGoneOnEtcd].
class AwayIsNotGoneIT extends AwayIsNotGone {
  private static final String KUBECONFIG = "kubeconfig";

  static Stream<Arguments> ways() {
    return Map.of(
            "folder",
            List.of("no folder", "links lead nowhere", "a file in its place"),
            "dns",
            List.of("silence", "SERVFAIL", "REFUSED"),
            "kubernetes",
            List.of("no server", "forbidden", "an error"),
            "registry",
            List.of("nobody there", "503", "no table", "no JSON"),
            "journal",
            List.of("it cannot be written"))
        .entrySet()
        .stream()
        .flatMap(e -> e.getValue().stream().map(how -> Arguments.of(e.getKey(), how)));
  }

  @AfterEach
  void forget() {
    System.clearProperty(KUBECONFIG);
  }

  @Override
  Home home(String kind) throws Exception {
    Home h =
        switch (kind) {
          case "folder" -> folder();
          case "dns" -> dns();
          case "kubernetes" -> kubernetes();
          case "journal" -> journal();
          default -> registry();
        };
    h.kind = kind.equals("journal") ? "registry" : kind;
    return h;
  }

  private FakeEngine engine(String address, int port) throws Exception {
    FakeEngine e = new FakeEngine("e", address, port).lists("x", "m", "");
    opened.add(e);
    return e;
  }

  private Home folder() throws Exception {
    Path data = Files.createDirectory(dir.resolve("data"));
    Path listed = Files.createDirectory(dir.resolve("listed"));
    for (String name : List.of("a", "b")) {
      String file = name + ".toml";
      Files.writeString(
          data.resolve(file),
          "[[instance]]\nname = \"%s\"\nurl = \"http://127.0.0.1:%d\"\n"
              .formatted(name, engine("127.0.0.1", 0).port()));
      Files.createSymbolicLink(listed.resolve(file), data.resolve(file));
    }
    Path aside = dir.resolve("aside");
    Home h =
        new Home() {
          @Override
          String setting() {
            return "discover=folder:" + listed;
          }

          @Override
          void remove() throws Exception {
            Files.delete(listed.resolve("b.toml"));
          }
        };
    h.way("no folder", () -> Files.move(listed, aside), () -> Files.move(aside, listed));
    h.way("links lead nowhere", () -> Files.move(data, aside), () -> Files.move(aside, data));
    h.way(
        "a file in its place",
        () -> {
          Files.move(listed, aside);
          Files.writeString(listed, "");
        },
        () -> {
          Files.delete(listed);
          Files.move(aside, listed);
        });
    return h;
  }

  private Home dns() throws Exception {
    NameServer names = new NameServer();
    opened.add(names);
    int port = engine("127.0.0.1", 0).port();
    engine("127.0.0.2", port);
    names.addresses("llm.example", 1, "127.0.0.1", "127.0.0.2");
    Home h =
        new Home() {
          @Override
          String setting() {
            return "discover=dns:llm.example:" + port + ",server=" + names.at();
          }

          @Override
          void remove() {
            names.addresses("llm.example", 1, "127.0.0.1");
          }
        };
    h.stays = "llm.example:" + port + "@127.0.0.1";
    h.leaves = "llm.example:" + port + "@127.0.0.2";
    h.way("silence", () -> names.silent(true), () -> names.silent(false));
    for (DnsResponseCode code : List.of(DnsResponseCode.SERVFAIL, DnsResponseCode.REFUSED)) {
      h.way(
          code.equals(DnsResponseCode.SERVFAIL) ? "SERVFAIL" : "REFUSED",
          () -> names.says(code),
          () -> names.says(DnsResponseCode.NOERROR));
    }
    return h;
  }

  private Home kubernetes() throws Exception {
    ApiServer api = new ApiServer();
    opened.add(api);
    Path config = dir.resolve("config");
    Files.writeString(
        config,
        """
        apiVersion: v1
        kind: Config
        current-context: c
        contexts: [{name: c, context: {cluster: c, namespace: llm, user: u}}]
        clusters: [{name: c, cluster: {server: "%s"}}]
        users: [{name: u, user: {token: t}}]
        """
            .formatted(api.url()));
    System.setProperty(KUBECONFIG, config.toString());
    for (String name : List.of("a", "b")) {
      int port = engine("127.0.0.1", 0).port();
      api.put(
          Pods.pod(name, "uid-" + name, "127.0.0.1", 0, true, Map.of(), Map.of("openai", port)));
    }
    Home h =
        new Home() {
          @Override
          String setting() {
            return "discover=kubernetes";
          }

          @Override
          void remove() throws Exception {
            api.remove("b");
          }
        };
    h.way("no server", api::away, api::back);
    for (int status : List.of(403, 500)) {
      h.way(
          status == 403 ? "forbidden" : "an error",
          () -> {
            api.refuses(status);
            api.cut();
          },
          () -> api.refuses(0));
    }
    return h;
  }

  private Home registry() throws Exception {
    rig.good("a");
    rig.good("b");
    Home h =
        new Home() {
          @Override
          String setting() {
            return "registry_url=" + rig.registry.url();
          }

          @Override
          void remove() {
            rig.registry.forgets("b");
          }
        };
    h.way("nobody there", () -> rig.registry.dies(), () -> rig.registry.returns());
    says(h, "503", "503 Service Unavailable", "");
    says(h, "no table", "200 OK", "{\"status\":\"ok\"}");
    says(h, "no JSON", "200 OK", "<html>it works</html>");
    return h;
  }

  /// A registry of ours, which says itself what is wrong. It probes nobody while the test runs.
  private Home journal() throws Exception {
    Path data = Files.createDirectory(dir.resolve("journal"));
    RegistryServer.Options o =
        new RegistryServer.Options(
            "127.0.0.1",
            0,
            Duration.ofHours(1),
            Duration.ofSeconds(5),
            Duration.ofMillis(200),
            Duration.ofMinutes(2),
            data,
            null,
            Tokens.NONE,
            "",
            null,
            TlsSettings.NONE);
    RegistryServer server = RegistryServer.start(o, Ticker.SYSTEM, new Random(1));
    opened.add(server);
    URI url = URI.create("http://127.0.0.1:" + server.port());
    RegistryClient client = new RegistryClient(rig.client, url, null);
    for (String name : List.of("a", "b")) {
      int port = rig.good(name).port();
      client.register(
          new Registration(
              name,
              "127.0.0.1",
              port,
              "localhost",
              "http://127.0.0.1:" + port,
              "running",
              Map.of("type", "openai-api", "models", List.of("m")),
              1));
    }
    Home h =
        new Home() {
          @Override
          String setting() {
            return "registry_url=" + url;
          }

          @Override
          void remove() throws Exception {
            client.unregister("b");
          }
        };
    Path obstacle = data.resolve("journal.jsonl.new/in-the-way");
    h.way(
        "it cannot be written",
        () -> {
          Files.createDirectories(obstacle);
          Files.delete(data.resolve("journal.jsonl"));
        },
        () -> Files.delete(obstacle));
    return h;
  }

  private void says(Home h, String name, String status, String body) {
    String answer =
        "HTTP/1.1 " + status + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
    h.way(name, () -> rig.registry.answers(answer), () -> rig.registry.answers(null));
  }
}
