package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.URI;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.registry.ProbeGuard.Verdict;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProbeGuardTest {
  @ParameterizedTest(name = "{0}: open {1}")
  @CsvSource({
    "127.0.0.1, true",
    "10.1.2.3, true",
    "192.168.0.1, true",
    "8.8.8.8, true",
    "0.0.0.0, true",
    "::1, true",
    "fd12::1, true",
    "169.254.169.254, false",
    "169.253.255.255, true",
    "::ffff:169.254.1.1, false",
    "fe80::1, false",
    "64:ff9b::a9fe:a9fe, false",
    "64:ff9b::808:808, true",
    "2002:a9fe:a9fe::1, false",
    "febf::1, false",
    "fec0::1, true",
    "fd00:ec2::254, false",
    "100.100.100.200, false",
    "224.0.0.1, false",
    "239.255.255.255, false",
    "255.255.255.255, false",
    "ff02::1, false",
  })
  void rangesThatNoServerHas(String address, boolean open) throws Exception {
    assertThat(new ProbeGuard(List.of()).isOpen(InetAddress.getByName(address))).isEqualTo(open);
  }

  @Test
  void whatIsAllowedIsOpenAndOnlyThat() throws Exception {
    ProbeGuard guard = new ProbeGuard(ProbeGuard.ranges("169.254.10.0/24, fe80::1"));
    assertThat(guard.isOpen(InetAddress.getByName("169.254.10.9"))).isTrue();
    assertThat(guard.isOpen(InetAddress.getByName("fe80::1"))).isTrue();
    assertThat(guard.isOpen(InetAddress.getByName("169.254.169.254"))).isFalse();
    assertThat(guard.isOpen(InetAddress.getByName("fe80::2"))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.name/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "10.0.0.0/8/8"})
  void whatIsNoRangeIsSaid(String text) {
    assertThatThrownBy(() -> ProbeGuard.ranges(text))
        .hasMessageContaining("expected: ADDRESS/BITS");
  }

  @Test
  void namesAreLookedUpBeforeTheyAreAsked() throws Exception {
    ProbeGuard guard = new ProbeGuard(List.of());
    long second = TimeUnit.SECONDS.toNanos(10);
    assertThat(guard.verdict(URI.create("http://localhost:1/health"), second))
        .isEqualTo(Verdict.OPEN);
    assertThat(guard.verdict(URI.create("http://2852039166:1/health"), second))
        .isEqualTo(Verdict.CLOSED);
    assertThat(guard.verdict(URI.create("http://[fe80::1]:1/health"), second))
        .isEqualTo(Verdict.CLOSED);
    assertThat(guard.verdict(URI.create("http://no.such.name.invalid:1/"), second))
        .as("no verdict on a service")
        .isEqualTo(Verdict.UNKNOWN);
  }
}
