package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.ApiError;
import org.junit.jupiter.api.Test;

class GrammarRoomTest {
  private static final int LARGE = 1_000_000;

  private final GrammarRoom room = new GrammarRoom();
  private int closed;

  private Grammar grammar() {
    return new Grammar() {
      @Override
      public boolean allows(int token) {
        return token == 1;
      }

      @Override
      public void filter(float[] logits) {
        logits[0] = Float.NEGATIVE_INFINITY;
      }

      @Override
      public void accept(int token) {}

      @Override
      public void close() {
        closed++;
      }
    };
  }

  @Test
  void whatIsHeldIsBoundedAndGivenBack() throws Exception {
    List<Grammar> held = new ArrayList<>();
    ApiError full = null;
    while (full == null) {
      try {
        held.add(room.held(LARGE, this::grammar));
      } catch (ApiError e) {
        full = e;
      }
    }
    assertThat(full.status()).isEqualTo(429);
    assertThat(held).as("16 answers of one request").hasSizeGreaterThanOrEqualTo(16);
    assertThat(room.taken()).isLessThanOrEqualTo(GrammarRoom.MOST_CHARACTERS);
    held.getFirst().close();
    held.getFirst().close();
    held.add(room.held(LARGE, this::grammar));
    assertThatThrownBy(() -> room.held(LARGE, this::grammar)).isInstanceOf(ApiError.class);
    held.forEach(Grammar::close);
    assertThat(room.taken()).isZero();
    assertThat(closed).isGreaterThanOrEqualTo(held.size());
  }

  @Test
  void oneThatCannotBeMadeTakesNoRoom() {
    assertThatThrownBy(() ->
            room.held(
                10,
                () -> {
                  throw new OutOfMemoryError("for the test");
                }))
        .isInstanceOf(OutOfMemoryError.class);
    assertThat(room.taken()).isZero();
  }

  @Test
  void itIsTheGrammarThatItHolds() throws Exception {
    Grammar g = room.held(10, this::grammar);
    float[] logits = {1, 1};
    g.filter(logits);
    assertThat(logits).containsExactly(Float.NEGATIVE_INFINITY, 1);
    assertThat(g.allows(1)).isTrue();
    assertThat(g.allows(0)).isFalse();
    g.close();
  }
}
