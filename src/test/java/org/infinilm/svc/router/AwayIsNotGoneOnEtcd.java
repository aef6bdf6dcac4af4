package org.infinilm.svc.router;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.infinilm.svc.etcd.EtcdCluster;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.provider.Arguments;

/// A router that reads a real etcd itself. Run by `./infini test --cluster`.
@Timeout(240)
class AwayIsNotGoneOnEtcd extends AwayIsNotGone {
  /// Longer than it takes to know that no registry speaks.
  private static final int LEASE_SECONDS = 10;

  /// Entries leave etcd with their leases, 2.5 times that.
  private static final Duration LASTS = Duration.ofSeconds(3 * LEASE_SECONDS + 5);

  static Stream<Arguments> ways() {
    return Stream.of("no majority", "all frozen", "no room", "no registry")
        .map(how -> Arguments.of("etcd", how));
  }

  @Override
  Home home(String kind) throws Exception {
    EtcdCluster etcd = new EtcdCluster(dir, 3, null, "--quota-backend-bytes=8000000");
    opened.add(etcd);
    Programs programs = new Programs(dir);
    opened.add(programs);
    Client http = Client.create();
    opened.add(http);
    String address = etcd.freshAddress();
    AtomicReference<Programs.Running> registry = new AtomicReference<>(start(programs, address));
    List<ScriptedInstance> all = List.of(rig.good("a"), rig.good("b"));
    boolean[] left = {false};
    Thread beats =
        Thread.ofVirtual()
            .start(() -> {
              while (!Thread.currentThread().isInterrupted()) {
                try {
                  for (ScriptedInstance i : left[0] ? all.subList(0, 1) : all) {
                    beat(new RegistryClient(http, url(registry.get()), null), i);
                  }
                  Thread.sleep(500);
                } catch (InterruptedException e) {
                  return;
                }
              }
            });
    opened.add(() -> {
      beats.interrupt();
      beats.join();
    });
    Home h =
        new Home() {
          @Override
          String setting() {
            return "registry_url=" + address;
          }

          @Override
          void remove() throws Exception {
            left[0] = true;
            new RegistryClient(http, url(registry.get()), null).unregister("b");
          }
        };
    h.kind = SourceBoard.ETCD;
    h.ways.put(
        "no majority",
        new Way(
            () -> {
              etcd.kill(0);
              etcd.kill(1);
            },
            () -> {
              etcd.start(0);
              etcd.start(1);
            },
            LASTS));
    h.ways.put(
        "all frozen",
        new Way(
            () -> {
              for (int k = 0; k < 3; k++) {
                etcd.freeze(k);
              }
            },
            () -> {
              for (int k = 0; k < 3; k++) {
                etcd.thaw(k);
              }
            },
            LASTS));
    h.ways.put("no room", new Way(() -> fill(etcd), etcd::makeRoom, LASTS));
    h.ways.put(
        "no registry",
        new Way(() -> registry.get().kill(), () -> registry.set(start(programs, address)), LASTS));
    return h;
  }

  private static Programs.Running start(Programs programs, String address) throws IOException {
    return programs.registry("--store", address, "--lease", String.valueOf(LEASE_SECONDS));
  }

  private static URI url(Programs.Running registry) {
    return URI.create("http://127.0.0.1:" + registry.port());
  }

  /// What a babysitter does.
  private static void beat(RegistryClient to, ScriptedInstance i) throws InterruptedException {
    try {
      if (!to.heartbeat(i.name, null)) {
        to.register(
            new Registration(
                i.name,
                "127.0.0.1",
                i.port(),
                "h",
                "http://127.0.0.1:" + i.port(),
                "running",
                Map.of("type", "openai-api", "models", List.of("m")),
                1));
      }
    } catch (IOException away) {
      // the next time
    }
  }

  private static void fill(EtcdCluster etcd) throws Exception {
    String text = "x".repeat(1_400_000);
    for (int k = 0; k < 20; k++) {
      etcd.call("/v3/kv/put", Map.of("key", "ZmlsbGVy", "value", text));
    }
  }
}
