package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.http.ApiError;

/// What the reading of one request may cost. It is counted in steps, not in time, so that a request
/// is either always read or always refused; whoever reads says what it does, piece by piece. One
/// thread.
final class Effort {
  /// Steps that the schemas of one request may take together: parts, alternatives and values looked
  /// at, and each 256 characters of a value that is written as text.
  static final int MOST_SCHEMA_STEPS = 100_000;

  /// The code of a refusal because all steps are taken: it blames no single part of a request.
  private static final String EXHAUSTED = "schema_too_costly";

  private static final int LOOK_EVERY = 1024;
  private static final int CHARACTERS_A_STEP = 256;

  private final BooleanSupplier gone;
  private final Runnable turn;
  private int steps;

  /// @param gone whether nobody waits for the answer any more
  /// @param turn lets others have their turn, and waits for the next one of its own
  Effort(BooleanSupplier gone, Runnable turn) {
    this.gone = gone;
    this.turn = turn;
  }

  /// Of a client that stays, where nobody else waits.
  static Effort alone() {
    return new Effort(() -> false, () -> {});
  }

  /// Looks at so many more parts of a schema; others have their turn in between.
  ///
  /// @throws ApiError 400 `schema_too_costly` when that is more than a request may take; 499 when
  ///   its client has left
  void schema(int more) throws ApiError {
    if (steps / LOOK_EVERY != (steps + more) / LOOK_EVERY) {
      pause();
    }
    steps = Math.addExact(steps, more);
    if (exhausted()) {
      throw tooCostly("response_format.json_schema.schema");
    }
  }

  /// Whether a request has taken more steps than it may.
  boolean exhausted() {
    return steps > MOST_SCHEMA_STEPS;
  }

  /// The refusal of a request whose schemas take too many steps.
  ///
  /// @param param the field that has them
  static ApiError tooCostly(String param) {
    return new ApiError(
        400,
        EXHAUSTED,
        param,
        param
            + ": takes more than "
            + MOST_SCHEMA_STEPS
            + " steps to read (expected: smaller schemas, or fewer references and alternatives)");
  }

  /// A value of a schema as JSON, which takes a step and another for each 256 characters.
  ///
  /// @throws ApiError as [#schema]
  String text(JsonNode value) throws ApiError {
    String text = value.toString();
    schema(1 + text.length() / CHARACTERS_A_STEP);
    return text;
  }

  /// Between two pieces of work that cannot be interrupted.
  ///
  /// @throws ApiError 499 when the client has left
  void pause() throws ApiError {
    stay();
    turn.run();
  }

  private void stay() throws ApiError {
    if (gone.getAsBoolean()) {
      throw new ApiError(499, "client_gone", null, "the client has gone");
    }
  }
}
