package org.infinilm.svc.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SourceSpecTest {
  private static SourceSpec one(String text) throws ConfigException {
    List<SourceSpec> all = SourceSpec.list(text, "--discover");
    assertThat(all).hasSize(1);
    return all.getFirst();
  }

  @Test
  void aCommaBelongsToASourceUnlessAWordThatIsOneFollows() throws Exception {
    assertThat(
            SourceSpec.list(
                "folder:/a,b,dns:x:1,weight=2 dns+srv:_http._tcp.y,kubernetes:n1,n2/app=z,tier!=w,kubernetes",
                "here"))
        .extracting(SourceSpec::text)
        .containsExactly(
            "folder:/a,b",
            "dns:x:1,weight=2",
            "dns+srv:_http._tcp.y",
            "kubernetes:n1,n2/app=z,tier!=w",
            "kubernetes");
    assertThat(SourceSpec.list(" ", "here")).isEmpty();
  }

  @Test
  void whatEachSays() throws Exception {
    assertThat(one("folder:/etc/i"))
        .isEqualTo(new SourceSpec.Folder("folder:/etc/i", Path.of("/etc/i")));
    assertThat(one("dns:llm.example:8100,cache_type=paged,server=127.0.0.1:5353"))
        .isEqualTo(
            new SourceSpec.Dns(
                "dns:llm.example:8100,cache_type=paged,server=127.0.0.1:5353",
                false,
                "http",
                "llm.example",
                8100,
                "127.0.0.1:5353",
                Map.of("cache_type", "paged")));
    assertThat(((SourceSpec.Dns) one("dns:https://llm.example")).port()).isEqualTo(443);
    assertThat(((SourceSpec.Dns) one("dns:llm")).port()).isEqualTo(80);
    SourceSpec.Kubernetes k = (SourceSpec.Kubernetes) one("kubernetes");
    assertThat(k.namespaces()).isEmpty();
    assertThat(k.selector()).isEqualTo(SourceSpec.SELECTOR);
    k = (SourceSpec.Kubernetes) one("kubernetes/app=vllm,stage in (a,b)");
    assertThat(k.selector()).isEqualTo("app=vllm,stage in (a,b)");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "consul:x | consul:x (expected: folder:/path",
        "folder: | folder: (expected: folder:/path)",
        "dns:x:0 | a port 1..65535",
        "dns:x:70000 | a port 1..65535",
        "dns:x y | dns:x y (expected: dns:NAME[:PORT])",
        "dns:x,wieght=2 | wieght=2 (did you mean \"weight\"?)",
        "dns:x,server=10.0.0.300:53 | server=10.0.0.300:53 (expected: server=ADDRESS:PORT)",
        "dns:x,server=10.0.0.1:99999 | server=10.0.0.1:99999 (expected: server=ADDRESS:PORT)",
        "dns:x,server=[::g]:53 | server=[::g]:53 (expected: server=ADDRESS:PORT)",
        "dns:x,server=there:53 | server=there:53 (expected: server=ADDRESS:PORT)",
        "dns+srv:_http._tcp.x:80 | without a port",
        "kubernetes:A | namespace A (expected: a namespace's name, or * for all)",
        "kubernetes:a,b,a | namespace a given twice (expected: each namespace once)",
        "kubernetes:*,* | namespace * given twice (expected: each namespace once)",
        "kubernetes:*,b | (expected: * alone, or names)",
        "kubernetes/ | a label selector after the slash",
        "dns:x,dns:x | dns:x given twice (expected: each source once)",
      })
  void whatIsWrongIsNamed(String text, String said) {
    assertThatThrownBy(() -> SourceSpec.list(text, "--discover"))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("--discover: ")
        .hasMessageContaining(said);
  }
}
