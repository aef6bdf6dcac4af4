package org.infinilm.svc.engine;

import java.util.function.BooleanSupplier;
import org.infinilm.svc.http.ApiError;

/// What the reading of one request may cost. It is counted in steps, not in time, so that a request
/// is either always read or always refused; whoever reads says what it does, piece by piece. One
/// thread.
final class Effort {
  /// Steps that the schemas of one request may take together: parts, alternatives and values looked
  /// at, each less than a microsecond or two.
  static final int MOST_SCHEMA_STEPS = 100_000;

  private static final int LOOK_EVERY = 1024;

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

  /// Looks at so many more parts of a schema.
  ///
  /// @throws ApiError 400 when that is more than a request may take; 499 when its client has left
  void schema(int more) throws ApiError {
    if (steps / LOOK_EVERY != (steps + more) / LOOK_EVERY) {
      stay();
    }
    steps = Math.addExact(steps, more);
    if (steps > MOST_SCHEMA_STEPS) {
      throw ApiError.value(
          "response_format.json_schema.schema",
          "takes more than " + MOST_SCHEMA_STEPS + " steps to read",
          "a smaller schema, or fewer references and alternatives");
    }
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
