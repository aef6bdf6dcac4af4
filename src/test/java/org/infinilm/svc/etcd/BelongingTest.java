package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BelongingTest {
  private final Clock clock = new Clock();
  private final Belonging belonging = new Belonging(clock);

  private void later() {
    clock.advance(Belonging.LASTS);
  }

  @Test
  void theFirstThatAnswersSaysWhichClusterIsOurs() {
    assertThat(belonging.said("a", "10")).isNull();
    assertThat(belonging.said("b", "10")).isNull();
    assertThat(belonging.said("c", "11")).startsWith("cluster b (expected: a, that of a");
    assertThat(belonging.said("c", "11")).as("however often it says so").isNotNull();
    assertThat(belonging.said("c", "10")).isNull();
  }

  @Test
  void oneMemberThatWasEmptiedIsNotBelieved() {
    belonging.said("a", "10");
    belonging.said("b", "10");
    assertThat(belonging.said("a", "11")).isNotNull();
    assertThat(belonging.said("b", "10")).isNull();
  }

  @Test
  void mostMembersMadeAnewAreOursAndTheOthersAreNot() {
    belonging.said("a", "10");
    belonging.said("b", "10");
    belonging.said("c", "10");
    assertThat(belonging.said("a", "11")).isNotNull();
    assertThat(belonging.said("b", "12")).as("each another one").isNotNull();
    assertThat(belonging.said("b", "11")).as("most, but just now").isNotNull();
    assertThat(belonging.said("c", "10")).as("who was not").isNull();
    later();
    assertThat(belonging.said("b", "11")).isNull();
    assertThat(belonging.said("a", "11")).isNull();
    assertThat(belonging.said("c", "10")).isNotNull();
    assertThat(belonging.said("c", "11")).isNull();
  }

  @Test
  void theOnlyMemberMayBeMadeAnew() {
    belonging.said("a", "10");
    later();
    assertThat(belonging.said("other", "11")).as("never was ours").isNotNull();
    assertThat(belonging.said("a", "11")).isNotNull();
    later();
    assertThat(belonging.said("a", "11")).isNull();
  }

  /// A name that led elsewhere for one answer.
  @Test
  void whatIsSaidForAMomentIsNotBelieved() {
    belonging.said("a", "10");
    assertThat(belonging.said("a", "11")).isNotNull();
    assertThat(belonging.said("a", "10")).isNull();
    later();
    assertThat(belonging.said("a", "11")).as("anew from here").isNotNull();
    assertThat(belonging.said("a", "10")).isNull();
  }
}
