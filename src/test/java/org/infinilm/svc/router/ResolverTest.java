package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Look-ups by a table; no name server is asked.
class ResolverTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  private final Map<String, List<String>> names = new ConcurrentHashMap<>();
  private final AtomicInteger asked = new AtomicInteger();
  private final ConcurrentLinkedQueue<String> changed = new ConcurrentLinkedQueue<>();
  private final CountDownLatch hang = new CountDownLatch(1);
  private final AtomicLong nanos = new AtomicLong();
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return nanos.get();
        }

        @Override
        public Instant now() {
          return Instant.EPOCH;
        }
      };
  private final Resolver resolver = new Resolver(this::look, ticker, changed::add);

  private InetAddress[] look(String host) throws UnknownHostException {
    asked.incrementAndGet();
    if (host.startsWith("hangs")) {
      try {
        hang.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    List<String> found = names.get(host);
    if (found == null) {
      throw new UnknownHostException(host);
    }
    if (found.contains("overflows")) {
      throw new StackOverflowError();
    }
    InetAddress[] out = new InetAddress[found.size()];
    for (int k = 0; k < out.length; k++) {
      out[k] = InetAddress.getByAddress(host, InetAddress.ofLiteral(found.get(k)).getAddress());
    }
    return out;
  }

  @AfterEach
  void end() {
    hang.countDown();
    resolver.close();
  }

  private List<String> addresses(String host) {
    return resolver.addresses(host).stream().map(InetAddress::getHostAddress).toList();
  }

  private void pass(long seconds) {
    nanos.addAndGet(Duration.ofSeconds(seconds).toNanos());
  }

  private void changes(String host) {
    await().atMost(SOON).until(() -> host.equals(changed.poll()));
  }

  @Test
  void addressesNeedNoLookUp() {
    assertThat(addresses("10.0.0.1")).containsExactly("10.0.0.1");
    assertThat(addresses("[::1]")).hasSize(1);
    assertThat(asked).hasValue(0);
    assertThat(Resolver.literal("localhost")).isNull();
  }

  @Test
  void whatIsNotKnownYetIsNothingAndNewsComesLater() throws Exception {
    names.put("h", List.of("10.0.0.2", "10.0.0.1", "10.0.0.2"));
    assertThat(addresses("h")).isEmpty();
    assertThat(resolver.failure("h")).as("it is being looked up").isNull();
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.1", "10.0.0.2");
    assertThat(resolver.awaitedAddresses("h").getFirst().getHostAddress()).isEqualTo("10.0.0.1");
    assertThat(asked).hasValue(1);
  }

  @Test
  void whoMayBlockWaitsForTheFirstLookUp() throws Exception {
    names.put("h", List.of("10.0.0.1"));
    assertThat(resolver.awaitedAddresses("h").getFirst().getHostAddress()).isEqualTo("10.0.0.1");
    assertThatThrownBy(() -> resolver.awaitedAddresses("other"))
        .isInstanceOf(UnknownHostException.class);
  }

  @Test
  void ofTwoFamiliesTheOneThatTheSystemPutsFirstIsUsed() throws Exception {
    names.put("four", List.of("127.0.0.1", "::1"));
    names.put("six", List.of("::1", "::2", "127.0.0.1"));
    assertThat(resolver.awaitedAddresses("four").getFirst().getHostAddress())
        .isEqualTo("127.0.0.1");
    assertThat(addresses("four")).hasSize(1);
    resolver.awaitedAddresses("six");
    assertThat(addresses("six")).hasSize(2);
  }

  @Test
  void aLookUpThatEndsInAnErrorIsMadeAgain() {
    names.put("h", List.of("overflows"));
    assertThat(addresses("h")).isEmpty();
    changes("h");
    assertThat(resolver.failure("h")).isEqualTo("unknown host h");
    names.put("h", List.of("10.0.0.1"));
    pass(2);
    assertThat(addresses("h")).isEmpty();
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.1");
  }

  @Test
  void aHangingLookUpHoldsNobodyUp() {
    for (int k = 0; k < 5; k++) {
      assertThat(addresses("hangs" + k)).isEmpty();
    }
    names.put("h", List.of("10.0.0.1"));
    assertThat(addresses("h")).isEmpty();
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.1");
  }

  @Test
  void addressesAreLookedUpAgainWithTimeAndAtOnceAfterAFailedConnect() {
    names.put("h", List.of("10.0.0.1"));
    addresses("h");
    changes("h");
    names.put("h", List.of("10.0.0.9"));
    pass(29);
    assertThat(addresses("h")).containsExactly("10.0.0.1");
    assertThat(asked).hasValue(1);
    resolver.refresh("h");
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.9");
    for (int k = 0; k < 10; k++) {
      resolver.refresh("h");
    }
    assertThat(asked).as("once a second").hasValue(2);
    names.put("h", List.of("10.0.0.5"));
    pass(30);
    assertThat(addresses("h")).as("the old ones meanwhile").containsExactly("10.0.0.9");
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.5");
  }

  @Test
  void aNameThatCannotBeLookedUpNowKeepsItsAddresses() {
    names.put("h", List.of("10.0.0.1"));
    addresses("h");
    changes("h");
    names.remove("h");
    pass(31);
    addresses("h");
    await().atMost(SOON).until(() -> asked.get() == 2);
    pass(31);
    assertThat(addresses("h")).containsExactly("10.0.0.1");
  }

  @Test
  void anUnknownNameIsNamedOnceAndTriedAgain() {
    addresses("h");
    changes("h");
    assertThat(resolver.failure("h")).isEqualTo("unknown host h");
    names.put("h", List.of("10.0.0.1"));
    addresses("h");
    assertThat(asked).hasValue(1);
    pass(1);
    addresses("h");
    changes("h");
    assertThat(addresses("h")).containsExactly("10.0.0.1");
    assertThat(resolver.failure("h")).isNull();
  }

  @Test
  void namesThatNobodyUsesAreForgotten() {
    names.put("h", List.of("10.0.0.1"));
    addresses("h");
    changes("h");
    resolver.keepOnly(Set.of("other"));
    assertThat(addresses("h")).isEmpty();
  }
}
