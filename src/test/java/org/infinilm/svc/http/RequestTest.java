package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestTest {
  @ParameterizedTest(name = "{0} is {1}")
  @CsvSource({
    "a+b%2Bc, a+b+c",
    "%e2%82%ACuro, €uro",
    "50%, 50%",
    "50%2, 50%2",
    "50%%20off, 50% off",
    "%zz%41, %zzA",
    "ü%F0%9F%99%82%, ü🙂%"
  })
  void whatIsNoEscapeStaysAsItWasSent(String sent, String meant) {
    assertThat(Request.unescape(sent)).isEqualTo(meant);
  }
}
