package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

class NotesTest {
  private static final Map<String, Object> LARGE =
      Map.of("text", "x".repeat(Notes.MOST_BYTES - 100));

  private final Notes notes = new Notes("b");

  @Test
  void allNotesTogetherHaveALimitAndWhoGoesGivesRoom() throws Exception {
    long fit = Notes.MOST_BYTES_IN_ALL / Notes.MOST_BYTES;
    for (int k = 0; k < fit; k++) {
      notes.heard("r" + k, k);
      notes.put("r" + k, "learned", LARGE);
    }
    notes.heard("last", fit);
    assertThatThrownBy(() -> notes.put("last", "learned", LARGE))
        .isInstanceOfSatisfying(Refused.class, r -> assertThat(r.status()).isEqualTo(507));

    notes.put("r0", "learned", LARGE); // in place of its own
    notes.forget(1);
    notes.put("last", "learned", LARGE);
    assertThat(notes.since("").live()).contains("last").doesNotContain("r0");
  }

  @Test
  void whoLeftNoNoteIsForgottenAloneWhereNotesStandElsewhere() throws Exception {
    notes.heard("bare", 5);
    notes.heard("noted", 5);
    notes.put("noted", "seats", Map.of());
    notes.forgetBare(5);
    assertThat(notes.since("").live()).containsExactlyInAnyOrder("bare", "noted");
    notes.forgetBare(6);
    assertThat(notes.since("").live()).containsExactly("noted");
    assertThat(notes.remove("noted")).containsExactly("seats");
    assertThat(notes.remove("noted")).isEmpty();
  }

  @Test
  void oneNoteHasALimit() throws Exception {
    notes.heard("r", 1);
    Map<String, Object> more = Map.of("text", "x".repeat(Notes.MOST_BYTES));
    assertThatThrownBy(() -> notes.put("r", "seats", more))
        .isInstanceOfSatisfying(Refused.class, r -> assertThat(r.status()).isEqualTo(413));
    assertThat(notes.since("").notes()).isEmpty();
  }
}
