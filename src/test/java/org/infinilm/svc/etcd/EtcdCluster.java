package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Members of a real etcd on loopback (the binary is named by `infini.etcd`), each to be killed,
/// frozen and started again from its disk.
public final class EtcdCluster implements AutoCloseable {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Duration LOOK = Duration.ofMillis(50);

  private final String binary = System.getProperty("infini.etcd", "etcd");
  private final Path dir;
  private final int[] clientPorts;
  private final int[] peerPorts;
  private final Process[] members;
  private final Client http;
  private final @Nullable Shown tls;
  private final List<String> flags;
  private int made;
  private final AtomicInteger prefixes = new AtomicInteger();

  /// How members are spoken to over TLS.
  public record Shown(Path ca, Path cert, Path key) {}

  public EtcdCluster(Path dir, int size) throws Exception {
    this(dir, size, null);
  }

  /// @param tls null for plain HTTP; clients then have to show a certificate, too
  /// @param flags more ones for each member
  public EtcdCluster(Path dir, int size, @Nullable Shown tls, String... flags) throws Exception {
    this.dir = dir;
    this.flags = List.of(flags);
    this.tls = tls;
    this.http =
        tls == null
            ? Client.create()
            : Client.create()
                .with(Tls.of(tls.ca(), null, new Tls.Own(tls.cert(), tls.key()), null));
    this.members = new Process[size];
    int[] ports = freePorts(2 * size);
    this.clientPorts = IntStream.range(0, size).map(i -> ports[i]).toArray();
    this.peerPorts = IntStream.range(0, size).map(i -> ports[size + i]).toArray();
    for (int i = 0; i < size; i++) {
      start(i);
    }
    for (int i = 0; i < size; i++) {
      awaitServing(i);
    }
  }

  private static int[] freePorts(int n) throws IOException {
    List<ServerSocket> held = new ArrayList<>();
    int[] out = new int[n];
    for (int i = 0; i < n; i++) {
      ServerSocket s = new ServerSocket(0);
      held.add(s);
      out[i] = s.getLocalPort();
    }
    for (ServerSocket s : held) {
      s.close();
    }
    return out;
  }

  public int size() {
    return members.length;
  }

  /// Starts a member, from its disk when it ran before.
  public void start(int i) throws IOException {
    List<String> cluster = new ArrayList<>();
    for (int k = 0; k < members.length; k++) {
      cluster.add("m" + k + "=http://127.0.0.1:" + peerPorts[k]);
    }
    String client = scheme() + member(i);
    String peer = "http://127.0.0.1:" + peerPorts[i];
    List<String> command =
        new ArrayList<>(
            List.of(
                binary,
                "--name=m" + i,
                "--data-dir=" + dir.resolve("m" + i + "-" + made),
                "--listen-client-urls=" + client,
                "--advertise-client-urls=" + client,
                "--listen-peer-urls=" + peer,
                "--initial-advertise-peer-urls=" + peer,
                "--initial-cluster=" + String.join(",", cluster),
                "--initial-cluster-token=" + dir.getFileName() + made,
                "--logger=zap",
                "--log-outputs=stderr"));
    command.addAll(flags);
    if (tls != null) {
      command.addAll(
          List.of(
              "--cert-file=" + tls.cert(),
              "--key-file=" + tls.key(),
              "--trusted-ca-file=" + tls.ca(),
              "--client-cert-auth"));
    }
    members[i] =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(
                ProcessBuilder.Redirect.appendTo(dir.resolve("m" + i + ".log").toFile()))
            .start();
  }

  /// All members anew, with nothing in them: another cluster at the same addresses.
  public void makeAnew() throws Exception {
    made++;
    for (int i = 0; i < members.length; i++) {
      kill(i);
    }
    for (int i = 0; i < members.length; i++) {
      start(i);
    }
    for (int i = 0; i < members.length; i++) {
      awaitServing(i);
    }
  }

  /// Waits until a member answers with a leader.
  public void awaitServing(int i) throws Exception {
    await()
        .atMost(SOON)
        .pollInterval(LOOK)
        .untilAsserted(() -> {
          try {
            assertThat(status(i).path("leader").asText()).isNotEmpty();
          } catch (IOException notYet) {
            String log = "member " + i + ": " + Files.readString(dir.resolve("m" + i + ".log"));
            if (!members[i].isAlive()) {
              throw new IllegalStateException(log, notYet);
            }
            throw new AssertionError(log, notYet);
          }
        });
  }

  private JsonNode status(int i) throws Exception {
    Client.Reply r =
        http.post(
            URI.create(scheme() + member(i) + "/v3/maintenance/status"),
            Map.of(),
            Duration.ofSeconds(2));
    if (!r.ok()) {
      throw new IOException("status " + r.status());
    }
    return Json.tree(r.body());
  }

  /// The member that leads now.
  public int leader() throws Exception {
    return await()
        .atMost(SOON)
        .pollInterval(LOOK)
        .until(this::leaderOfNow, OptionalInt::isPresent)
        .getAsInt();
  }

  private OptionalInt leaderOfNow() throws Exception {
    for (int i = 0; i < members.length; i++) {
      try {
        var s = status(i);
        if (s.path("leader").asText().equals(s.path("header").path("member_id").asText())) {
          return OptionalInt.of(i);
        }
      } catch (IOException down) {
        // the next one
      }
    }
    return OptionalInt.empty();
  }

  public String member(int i) {
    return "127.0.0.1:" + clientPorts[i];
  }

  /// All members and a prefix that nobody has used.
  public String freshAddress() {
    return address("/test/p" + prefixes.incrementAndGet());
  }

  public String address(String prefix) {
    return (tls == null ? "etcd://" : "etcds://")
        + String.join(",", IntStream.range(0, members.length).mapToObj(this::member).toList())
        + prefix;
  }

  /// A client of our own for what a test does beside the registries.
  public Etcd client(String address) {
    return new Etcd(http, EtcdAddress.parse(address), null, Ticker.SYSTEM);
  }

  /// Any call of the gateway, at the leader.
  public Client.Reply call(String path, Object body) throws Exception {
    return http.post(URI.create(scheme() + member(leader()) + path), body, SOON);
  }

  private String scheme() {
    return tls == null ? "http://" : "https://";
  }

  public void kill(int i) throws Exception {
    members[i].destroyForcibly();
    if (!members[i].waitFor(20, TimeUnit.SECONDS)) {
      throw new AssertionError("member " + i + " does not end");
    }
  }

  /// Stops the process without ending it: connections stay, nothing answers.
  public void freeze(int i) throws Exception {
    signal(i, "STOP");
  }

  public void thaw(int i) throws Exception {
    signal(i, "CONT");
  }

  private void signal(int i, String name) throws Exception {
    new ProcessBuilder("kill", "-" + name, String.valueOf(members[i].pid())).start().waitFor();
  }

  /// Forgets all of history.
  public void compact() throws Exception {
    Client.Reply now = call("/v3/kv/range", Map.of("key", "AA=="));
    String revision = Json.tree(now.body()).path("header").path("revision").asText();
    Client.Reply r = call("/v3/kv/compaction", Map.of("revision", revision, "physical", true));
    if (!r.ok()) {
      throw new AssertionError("compaction: " + new String(r.body(), StandardCharsets.UTF_8));
    }
  }

  /// Forgets history, gives its room back and ends the alarm that there was none.
  public void makeRoom() throws Exception {
    compact();
    for (int i = 0; i < members.length; i++) {
      http.post(URI.create(scheme() + member(i) + "/v3/maintenance/defragment"), Map.of(), SOON);
    }
    Client.Reply alarms = call("/v3/maintenance/alarm", Map.of("action", "GET"));
    for (JsonNode alarm : Json.tree(alarms.body()).path("alarms")) {
      call(
          "/v3/maintenance/alarm",
          Map.of(
              "action",
              "DEACTIVATE",
              "alarm",
              alarm.path("alarm").asText(),
              "memberID",
              alarm.path("memberID").asText()));
    }
  }

  @Override
  public void close() {
    for (Process p : members) {
      if (p != null) {
        p.destroyForcibly();
      }
    }
    http.close();
  }
}
