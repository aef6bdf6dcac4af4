package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.infinilm.svc.http.Places.Place;
import org.junit.jupiter.api.Test;

class PlacesTest {
  private static InetAddress address(String literal) {
    try {
      return InetAddress.getByName(literal);
    } catch (UnknownHostException e) {
      throw new AssertionError(e);
    }
  }

  private static final InetAddress A = address("192.0.2.1");
  private static final InetAddress B = address("192.0.2.2");

  @Test
  void overTheLimitAFewAreLetInForHealthChecksAndTheRestIsTurnedAway() {
    Places p = new Places(2, 0);
    assertThat(p.enter(A)).isEqualTo(Place.USUAL);
    assertThat(p.enter(A)).isEqualTo(Place.USUAL);
    for (int k = 0; k < Places.RESERVE; k++) {
      assertThat(p.enter(B)).isEqualTo(Place.RESERVED);
    }
    assertThat(p.enter(B)).isEqualTo(Place.FULL);
    assertThat(p.open()).isEqualTo(2 + Places.RESERVE);
    assertThat(p.turnedAway()).isEqualTo(Places.RESERVE + 1);
    p.leave(A, Place.USUAL);
    assertThat(p.enter(B)).isEqualTo(Place.USUAL);
    p.leave(B, Place.RESERVED);
    p.leave(B, Place.FULL);
    assertThat(p.enter(B)).isEqualTo(Place.RESERVED);
  }

  /// B37: who was over the limit of one peer was told the limit of all.
  @Test
  void theLimitThatIsToldIsTheOneThatWasReached() {
    Places p = new Places(3, 2);
    p.enter(A);
    p.enter(A);
    assertThat(p.enter(A)).isEqualTo(Place.RESERVED);
    assertThat(p.limit(A)).isEqualTo("at most 2 of one address");
    p.enter(B);
    assertThat(p.enter(B)).isEqualTo(Place.RESERVED);
    assertThat(p.limit(B)).isEqualTo("at most 3");
  }

  @Test
  void onePeerTakesOnlyItsShareAndLoopbackIsFree() {
    Places p = new Places(100, 2);
    InetAddress six = address("2001:db8::1");
    InetAddress neighbour = address("2001:db8::2:0:0:1");
    for (int round = 0; round < 3; round++) {
      for (InetAddress a : new InetAddress[] {A, B, six}) {
        assertThat(p.enter(a)).isEqualTo(Place.USUAL);
        assertThat(p.enter(a)).isEqualTo(Place.USUAL);
        assertThat(p.enter(a)).isEqualTo(Place.RESERVED);
        p.leave(a, Place.RESERVED);
      }
      assertThat(p.enter(neighbour)).as("the same /64").isEqualTo(Place.RESERVED);
      p.leave(neighbour, Place.RESERVED);
      for (InetAddress a : new InetAddress[] {A, A, B, B, six, neighbour}) {
        p.leave(a, Place.USUAL);
      }
    }
    for (int k = 0; k < 50; k++) {
      assertThat(p.enter(address("127.0.0.1"))).isEqualTo(Place.USUAL);
    }
  }
}
