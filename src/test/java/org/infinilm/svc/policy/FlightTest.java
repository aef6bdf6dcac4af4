package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class FlightTest {
  private record Sent(long firstNanos, Ahead ahead) implements Flight {
    @Override
    public long promptTokens() {
      return 100;
    }

    @Override
    public long maxTokens() {
      return 0;
    }

    @Override
    public long dispatchNanos() {
      return 1;
    }

    @Override
    public long tokens() {
      return firstNanos == 0 ? 0 : 1;
    }

    @Override
    public @Nullable Ahead ahead() {
      return ahead;
    }
  }

  private static Sent sent(long firstNanos) {
    return new Sent(firstNanos, new Ahead(0, 1));
  }

  /// Of more than are listed the last ones are not: who runs beside them is counted all the same.
  @Test
  void oneThatIsNotListedHasOthersBesideIt() {
    List<Sent> all = new ArrayList<>(List.of(sent(5), sent(0), sent(6), sent(7)));
    Sent by = sent(0);
    Flight.passed(all, by, 10, true);
    assertThat(by.ahead().beside()).isEqualTo(3);
    assertThat(all.get(1).ahead().isOvertaken()).isFalse();
    all.add(by);
    Flight.passed(all, by, 11, true);
    assertThat(by.ahead().beside()).isEqualTo(3);
    assertThat(all.get(1).ahead().isOvertaken()).isTrue();
  }
}
