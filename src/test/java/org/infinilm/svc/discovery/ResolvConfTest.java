package org.infinilm.svc.discovery;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResolvConfTest {
  @Test
  void namesAreLookedForWhereTheSystemWould(@TempDir Path dir) throws Exception {
    Path file = dir.resolve("resolv.conf");
    Files.writeString(
        file,
        "# comment\nnameserver 10.0.0.10\nsearch llm.svc.cluster.local svc.cluster.local .\noptions timeout:1 ndots:5\n");
    ResolvConf c = ResolvConf.following(file).get();
    assertThat(c)
        .isEqualTo(
            new ResolvConf(
                servers("10.0.0.10"),
                List.of("llm.svc.cluster.local", "svc.cluster.local", "."),
                5));
    assertThat(c.candidates("paged"))
        .containsExactly("paged.llm.svc.cluster.local.", "paged.svc.cluster.local.", "paged.");
    assertThat(c.candidates("a.b.c.d.e.f").getFirst()).isEqualTo("a.b.c.d.e.f.");
    assertThat(c.candidates("llm.example.")).containsExactly("llm.example.");
    assertThat(ResolvConf.following(dir.resolve("none")).get()).isEqualTo(ResolvConf.NONE);
  }

  @Test
  void whatWasReadCountsWhileTheFileSaysNothing(@TempDir Path dir) throws Exception {
    Path file = dir.resolve("resolv.conf");
    Files.writeString(file, "search a.test\noptions ndots:5\n");
    Supplier<ResolvConf> conf = ResolvConf.following(file);
    ResolvConf first = conf.get();
    assertThat(first).isEqualTo(new ResolvConf(servers("127.0.0.1"), List.of("a.test"), 5));
    for (String nothing : List.of("", "\n", "# by hand\n; or not\n\n")) {
      Files.writeString(file, nothing);
      assertThat(conf.get()).isEqualTo(first);
    }
    Files.delete(file);
    assertThat(conf.get()).isEqualTo(first);
    Files.writeString(file, "nameserver 10.0.0.10\n");
    assertThat(conf.get())
        .as("without domains")
        .isEqualTo(new ResolvConf(servers("10.0.0.10"), List.of(), 1));
  }

  private static List<InetSocketAddress> servers(String... addresses) {
    return Stream.of(addresses)
        .map(a -> new InetSocketAddress(InetAddress.ofLiteral(a), 53))
        .toList();
  }

  /// Nobody's public servers are asked for names of this place.
  @Test
  void whereNoServerIsNamedItIsThisMachineOrThoseOfBefore(@TempDir Path dir) throws Exception {
    Path file = dir.resolve("resolv.conf");
    Supplier<ResolvConf> conf = ResolvConf.following(file);
    assertThat(conf.get().servers()).isEqualTo(servers("127.0.0.1"));
    for (String none : List.of("search a.test\n", "nameserver\n", "nameserver nonsense\n")) {
      Files.writeString(file, none);
      assertThat(conf.get().servers()).as(none).isEqualTo(servers("127.0.0.1"));
    }
    Files.writeString(file, "nameserver 10.0.0.1\nnameserver odd;\nnameserver ::1\n");
    assertThat(conf.get().servers()).isEqualTo(servers("10.0.0.1", "::1"));
    Files.writeString(file, "search b.test\n");
    assertThat(conf.get().servers()).isEqualTo(servers("10.0.0.1", "::1"));
    assertThat(conf.get().search()).containsExactly("b.test");
  }
}
