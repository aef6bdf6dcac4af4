package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Ask.TextKind;
import org.jspecify.annotations.Nullable;

/// What an exchange asks for, read from its request by [Questions].
///
/// @param model null when the request named none and may go anywhere
/// @param renamed whether the body names it by an alias
/// @param answersAs the model that its answer is to name instead of the instance's, or null
/// @param route by which it came; [Route#OTHER] for what is no POST
/// @param path its place among the route's paths
/// @param shape of errors that its client understands
/// @param streamForm of the event stream that the client asked for, or null
/// @param bodyBytes as they came, in their Content-Encoding
/// @param size in the unit of the size metric
/// @param needTokens estimate of prompt and output, or more where that fits every instance all the
///   same; 0 when it is not known
/// @param leastTokens the fewest tokens that its text alone can come to; 0 when it is not known
/// @param affinity hash of the key whose requests share a prefix; 0 for none
/// @param prefix the same, or else of what was found without the client's help; 0 for nothing
/// @param promptTokens estimate of its one prompt; 0 when it has none
/// @param maxTokens the most that its client allows for the answer; 0 when it did not say
/// @param text of what kind most of the prompt is
/// @param generation a POST that may be sent again before an answer
/// @param replayable generation, or a method that is safe to repeat
/// @param prompt what its answer's token counts are about, or null when it is no single prompt or
///   nothing is to be learned from it
record Question(
    @Nullable String model,
    boolean renamed,
    @Nullable String answersAs,
    Route route,
    int path,
    ErrorShape shape,
    @Nullable StreamForm streamForm,
    long bodyBytes,
    long size,
    long threshold,
    long needTokens,
    long leastTokens,
    long affinity,
    long prefix,
    long promptTokens,
    long maxTokens,
    TextKind text,
    boolean generation,
    boolean replayable,
    @Nullable Prompt prompt) {

  /// A question, or why there is none.
  sealed interface Result {}

  record Asked(Question question) implements Result {}

  /// @param model that the request names, or null when that is not known
  /// @param size in the unit of the size metric; 0 when it is not known
  record Wrong(ApiError error, ErrorShape shape, @Nullable String model, long size)
      implements Result {
    /// Of a request of which nothing is known but its route.
    static Wrong of(ApiError e, Route route) {
      return new Wrong(e, route.errors(), null, 0);
    }
  }

  /// What part of all requests it belongs to.
  Part part() {
    return new Part(model, affinity, route, path);
  }

  Ask ask() {
    return new Ask(
        size, threshold, needTokens, leastTokens, affinity, promptTokens, maxTokens, text, prefix);
  }

  /// Who may take it in this fleet; a model that has left since has nobody.
  Candidates candidates(Fleet fleet) {
    if (model == null) {
      return fleet.any();
    }
    Candidates c = fleet.forModel(model);
    return c == null ? Candidates.of(model, List.of()) : c;
  }

  /// What a client is told when every candidate is out of service.
  ApiError nobody() {
    return ApiError.unavailable(
        ApiError.NO_HEALTHY_INSTANCE,
        model == null
            ? "No healthy services available"
            : "No healthy services available for model '" + model + "'");
  }
}
