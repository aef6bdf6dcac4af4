package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// An interface with defaults swallows what a wrapper does not pass on.
class DelegatesTest {
  static Arguments[] delegates() {
    return new Arguments[] {
      Arguments.of(PolicySwitch.class, Policy.class),
      Arguments.of(PartOffer.class, Load.class),
      Arguments.of(PartOffer.class, Offer.class)
    };
  }

  @ParameterizedTest
  @MethodSource("delegates")
  void passOnWhateverMayBeAsked(Class<?> delegate, Class<?> asked) {
    for (Method m : asked.getDeclaredMethods()) {
      if (!Modifier.isStatic(m.getModifiers()) && !m.isSynthetic()) {
        assertThat(delegate.getDeclaredMethods())
            .as(m.toString())
            .anyMatch(d ->
                d.getName().equals(m.getName())
                    && Arrays.equals(d.getParameterTypes(), m.getParameterTypes()));
      }
    }
  }
}
