package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class AskedTest {
  private static final Asked RUNNING =
      Asked.of(
          Map.of("host", "127.0.0.1", "registry_port", "18000", "threshold", "51200"),
          Map.of("PROXY_TIMEOUT_SECONDS", "60", "PATH", "/bin"));

  @Test
  void whoAsksForNothingElseIsToldNothing() {
    assertThat(Asked.of(Map.of(), Map.of()).besides(RUNNING)).isEmpty();
    assertThat(Asked.of(Map.of("threshold", "51200"), Map.of("PATH", "/other")).besides(RUNNING))
        .isEmpty();
  }

  @Test
  void whatDiffersIsNamedWithBothValues() {
    Asked now =
        Asked.of(
            Map.of("threshold", "10240", "policy", "adaptive"),
            Map.of("PROXY_TIMEOUT_SECONDS", "5", "CACHE_TYPE_ROUTING_THRESHOLD", "7"));
    assertThat(now.besides(RUNNING))
        .containsExactly(
            "CACHE_TYPE_ROUTING_THRESHOLD: it runs with its default, you asked for 7",
            "PROXY_TIMEOUT_SECONDS: it runs with 60, you asked for 5",
            "policy: it runs with its default, you asked for adaptive",
            "threshold: it runs with 51200, you asked for 10240");
  }

  @Test
  void secretsAndTheLaunchersOwnVariablesAreNotKept() {
    Asked kept =
        Asked.of(
            Map.of(),
            Map.of(
                "INFINI_ADMIN_TOKEN", "s3cret",
                "INFINI_API_KEY", "s3cret",
                "INFINI_HOME", "/checkout",
                "INFINI_NO_BUILD", "1",
                "INFINI_TRANSPORT", "nio"));
    assertThat(kept.values()).isEqualTo(Map.of("INFINI_TRANSPORT", "nio"));
  }
}
