package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask.TextKind;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SleepersTest {
  private int slots;

  private Instance instance(
      String name, State state, @Nullable CacheType type, long capacity, int weight, int tier) {
    return new Instance(
        name,
        "h",
        1,
        "http://h:1",
        List.of("m"),
        type,
        capacity,
        weight,
        state,
        slots++,
        Map.of("on_demand", true),
        tier,
        0,
        Map.of());
  }

  private Instance asleep(String name, @Nullable CacheType type, long capacity) {
    return instance(name, State.ASLEEP, type, capacity, 1, 1);
  }

  private static Question question(long size, long tokens) {
    return new Question(
        "m",
        false,
        null,
        Route.of("/v1/chat/completions"),
        0,
        ErrorShape.OPENAI,
        null,
        size,
        size,
        1000,
        tokens,
        tokens,
        0,
        0,
        tokens,
        0,
        TextKind.PROSE,
        true,
        true,
        null);
  }

  private static List<String> names(List<Instance> of) {
    return of.stream().map(Instance::name).toList();
  }

  @Test
  void thePoolOfTheSizeRuleComesFirstUnlessItCannotHoldTheRequest() {
    Instance paged = asleep("p", CacheType.PAGED, 10_000);
    Instance fixed = asleep("s", CacheType.STATIC, 500);
    List<Instance> both = List.of(paged, fixed);
    assertThat(names(Sleepers.ordered(both, question(10, 3)))).containsExactly("p", "s");
    assertThat(names(Sleepers.ordered(both, question(2000, 400)))).containsExactly("s", "p");
    assertThat(names(Sleepers.ordered(both, question(2000, 600)))).containsExactly("p", "s");
  }

  @Test
  void oneThatIsBeingStartedIsBetterThanAnotherStart() {
    Instance waking = instance("w", State.WAKING, null, Instance.UNKNOWN, 1, 2);
    Instance spare = instance("z", State.ASLEEP, null, Instance.UNKNOWN, 0, 1);
    Instance upper = asleep("u", null, Instance.UNKNOWN);
    Instance lower = instance("l", State.ASLEEP, null, Instance.UNKNOWN, 1, 2);
    assertThat(names(Sleepers.ordered(List.of(lower, spare, upper, waking), question(10, 3))))
        .containsExactly("w", "u", "l", "z");
  }

  @Test
  void everyRouterWakesTheSameOne() {
    List<Instance> all = new ArrayList<>();
    for (int k = 0; k < 8; k++) {
      all.add(asleep("i" + k, null, Instance.UNKNOWN));
    }
    List<String> order = names(Sleepers.ordered(all, question(10, 3)));
    assertThat(order).hasSize(8).isNotEqualTo(names(all));
    assertThat(names(Sleepers.ordered(all.reversed(), question(10, 3)))).isEqualTo(order);
  }

  @Test
  void whoWouldRatherHaveBeenTakenIsWokenForTheNext() {
    Instance paged = instance("p", State.ROUTABLE, CacheType.PAGED, Instance.UNKNOWN, 1, 2);
    Instance upper = instance("up", State.ASLEEP, CacheType.PAGED, Instance.UNKNOWN, 1, 1);
    Instance fixed = instance("s", State.ASLEEP, CacheType.STATIC, Instance.UNKNOWN, 1, 2);
    List<Instance> asleep = List.of(upper, fixed);
    Question large = question(2000, 3);
    assertThat(better(paged, Reason.EMPTY_POOL, asleep, large)).isEqualTo(fixed);
    assertThat(better(paged, Reason.TIER, asleep, large)).isEqualTo(upper);
    assertThat(better(paged, Reason.TIER, List.of(fixed), large)).isNull();
    assertThat(better(paged, Reason.EMPTY_POOL, List.of(upper), large)).isNull();
    Choice.Wait wait = new Choice.Wait(Pool.ANY, Reason.ONLY, List.of(paged));
    assertThat(Sleepers.mayHaveBetter(wait)).isTrue();
    assertThat(Sleepers.better(wait, asleep, large)).isEqualTo(upper);
    assertThat(Sleepers.mayHaveBetter(new Choice.Send(paged, Pool.PAGED, Reason.SIZE))).isFalse();
    assertThat(Sleepers.mayHaveBetter(new Choice.Refuse(1, 1))).isFalse();
  }

  private static @Nullable Instance better(
      Instance chosen, Reason why, List<Instance> asleep, Question q) {
    Choice.Send s = new Choice.Send(chosen, Pool.PAGED, why);
    assertThat(Sleepers.mayHaveBetter(s)).isTrue();
    return Sleepers.better(s, asleep, q);
  }

  @Test
  void aCommentIsOneLineWhateverItIsToSay() {
    assertThat(
            new String(
                QuietStream.comment("a\r\n\ndata: b\u2028\u0085c"),
                java.nio.charset.StandardCharsets.UTF_8))
        .isEqualTo(": waiting, a data: b c\n\n");
    assertThat(QuietStream.comment("x".repeat(10_000)).length).isLessThan(400);
  }
}
