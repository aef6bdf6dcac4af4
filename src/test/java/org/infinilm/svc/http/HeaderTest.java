package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeaderTest {
  @ParameterizedTest
  @CsvSource({
    "paged-cache-1-server, paged-cache-1-server",
    "gr\u00f6-1, gr%C3%B6-1",
    "gr\u00fc-1, gr%C3%BC-1",
    "50%, 50%25",
    "\ud83d\ude42, %F0%9F%99%82",
    "a b, a b"
  })
  void namesAreVisibleAsciiAndComeBack(String name, String value) {
    assertThat(Header.encode(name)).isEqualTo(value);
    assertThat(Header.decode(value)).isEqualTo(name);
  }

  @ParameterizedTest
  @CsvSource({"100%, 100%", "%zz, %zz", "%C3, \ufffd"})
  void whatIsNotWrittenSoStaysOrIsSeenToBeWrong(String value, String name) {
    assertThat(Header.decode(value)).isEqualTo(name);
  }
}
