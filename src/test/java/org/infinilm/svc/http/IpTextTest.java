package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Examples of RFC 5952 and of RFC 4291.
class IpTextTest {
  @ParameterizedTest
  @CsvSource({
    "0:0:0:0:0:0:0:1, ::1",
    "0000:0000:0000:0000:0000:0000:0000:0000, ::",
    "2001:0DB8::0001, 2001:db8::1",
    "2001:db8:0:0:0:0:2:1, 2001:db8::2:1",
    "2001:db8::1:1:1:1:1, 2001:db8:0:1:1:1:1:1",
    "2001:0:0:1:0:0:0:1, 2001:0:0:1::1",
    "2001:db8:0:0:1:0:0:1, 2001:db8::1:0:0:1",
    "64:ff9b::192.0.2.33, 64:ff9b::c000:221",
    "::ffff:10.0.0.1, 10.0.0.1",
    "::ffff:a00:1, 10.0.0.1",
    "10.0.0.1, 10.0.0.1",
  })
  void oneAddressHasOneText(String written, String text) throws Exception {
    InetAddress a = InetAddress.getByName(written);
    boolean six = text.contains(":");
    String bracketed = six ? "[" + text + "]" : text;
    assertThat(IpText.of(a)).isEqualTo(text);
    assertThat(IpText.of(new InetSocketAddress(a, 80))).isEqualTo(bracketed + ":80");
    assertThat(IpText.host(written)).isEqualTo(text);
    if (written.contains(":")) {
      assertThat(IpText.host("[" + written + "]")).isEqualTo(bracketed);
      assertThat(IpText.hostAndPort("[" + written + "]:80")).isEqualTo(bracketed + ":80");
    }
  }

  @Test
  void aZoneIsAPartOfIt() throws Exception {
    byte[] link = InetAddress.getByName("fe80::1").getAddress();
    assertThat(IpText.of(Inet6Address.getByAddress(null, link, 4))).isEqualTo("fe80::1%4");
    assertThat(IpText.host("fe80:0:0:0:0:0:0:1%eth9")).isEqualTo("fe80::1%eth9");
    assertThat(IpText.hostAndPort("[FE80::0:1%4]:80")).isEqualTo("[fe80::1%4]:80");
  }

  @ParameterizedTest
  @CsvSource({
    "[fe80::1%eth0]:80, [fe80::1]:80",
    "[fe80::1%4], [fe80::1]",
    "[fe80::1]:80, [fe80::1]:80",
    "h:80, h:80",
    "h%x:80, h%x:80",
  })
  void aZoneIsOfThisMachineAlone(String authority, String told) {
    assertThat(IpText.withoutZone(authority)).isEqualTo(told);
  }

  @ParameterizedTest
  @CsvSource(
      value = {"localhost", "h:1", "010.0.0.1", "[::g]", "1:2:3", "[", "]:", "''", "[::1", "::1]"})
  void whatIsNoAddressIsAsItWas(String text) {
    assertThat(IpText.host(text)).isEqualTo(text);
    assertThat(IpText.hostAndPort(text)).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource({"10.0.0.1:80", "h:80", "::1", "[::1]", "[::g]:80", "unix:/x"})
  void whatIsNoEndpointOfIpv6IsAsItWas(String text) {
    assertThat(IpText.hostAndPort(text)).isEqualTo(text);
  }
}
