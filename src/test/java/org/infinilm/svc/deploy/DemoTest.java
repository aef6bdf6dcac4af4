package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// What `up` says of the threshold after its large request.
class DemoTest {
  @Test
  void aThresholdThatKeepsTheEngineBusyForLongIsSaidWithOneThatDoesNot() {
    assertThat(Demo.ofThreshold(60_174, 51_200, 5.2))
        .contains("a prompt of 51200 takes about 4.4 s", "infini up --threshold 11000");
    assertThat(Demo.ofThreshold(60_174, 51_200, 700)).contains("--threshold 85");
  }

  @Test
  void ofAFastEngineAndOfWhatIsNotKnownNothingIsSaid() {
    assertThat(Demo.ofThreshold(60_174, 51_200, 0.9)).isEmpty();
    assertThat(Demo.ofThreshold(0, 0, 5)).isEmpty();
  }
}
