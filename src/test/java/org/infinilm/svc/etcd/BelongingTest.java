package org.infinilm.svc.etcd;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BelongingTest {
  private final Belonging belonging = new Belonging();

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
    assertThat(belonging.said("b", "11")).isNull();
    assertThat(belonging.said("a", "11")).isNull();
    assertThat(belonging.said("c", "10")).isNotNull();
    assertThat(belonging.said("c", "11")).isNull();
  }

  @Test
  void theOnlyMemberMayBeMadeAnew() {
    belonging.said("a", "10");
    assertThat(belonging.said("other", "11")).as("never was ours").isNotNull();
    assertThat(belonging.said("a", "11")).isNull();
  }
}
