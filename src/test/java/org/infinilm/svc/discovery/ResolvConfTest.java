package org.infinilm.svc.discovery;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
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
        .isEqualTo(new ResolvConf(List.of("llm.svc.cluster.local", "svc.cluster.local", "."), 5));
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
    assertThat(first).isEqualTo(new ResolvConf(List.of("a.test"), 5));
    for (String nothing : List.of("", "\n", "# by hand\n; or not\n\n")) {
      Files.writeString(file, nothing);
      assertThat(conf.get()).isEqualTo(first);
    }
    Files.delete(file);
    assertThat(conf.get()).isEqualTo(first);
    Files.writeString(file, "nameserver 10.0.0.10\n");
    assertThat(conf.get()).as("without domains").isEqualTo(ResolvConf.NONE);
  }
}
