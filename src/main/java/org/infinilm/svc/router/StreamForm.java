package org.infinilm.svc.router;

import java.util.Set;

/// The forms of event streams that the API defines, by how they end.
enum StreamForm {
  /// `data: [DONE]` (chat and text completions).
  OPENAI(Set.of()),
  /// The event `message_stop` (`/v1/messages`).
  MESSAGES(Set.of("message_stop", "error")),
  /// An event that says what became of the response (`/v1/responses`).
  RESPONSES(
      Set.of(
          "response.completed",
          "response.incomplete",
          "response.failed",
          "response.cancelled",
          "error"));

  @SuppressWarnings("ImmutableEnumChecker") // a copy
  private final Set<String> last;

  StreamForm(Set<String> last) {
    this.last = Set.copyOf(last);
  }

  /// Whether an event of this name is a stream's last.
  boolean endsWith(String event) {
    return last.contains(event);
  }

  /// Whether its events have names.
  boolean named() {
    return !last.isEmpty();
  }
}
