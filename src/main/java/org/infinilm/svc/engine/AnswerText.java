package org.infinilm.svc.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The text of one answer from the bytes of its tokens: whole characters, nothing of a stop string,
/// and the log probabilities of the tokens whose text is sure. One thread.
final class AnswerText {
  /// More of the answer.
  ///
  /// @param tokens those whose text begins in `text` or stood right before it
  record Piece(String text, List<TokenLogprob> tokens) {
    Piece {
      tokens = List.copyOf(tokens);
    }

    boolean isEmpty() {
      return text.isEmpty() && tokens.isEmpty();
    }
  }

  private record Held(TokenLogprob token, long start) {}

  private final Utf8Assembler characters = new Utf8Assembler();
  private final StopMatcher stops;
  private final Deque<Held> held = new ArrayDeque<>();
  private final StringBuilder sure = new StringBuilder();
  private long decoded;
  private long released;
  private int codePoints;

  AnswerText(List<String> stops) {
    this.stops = new StopMatcher(stops);
  }

  /// Whether a stop string has come.
  boolean stopped() {
    return stops.stopped();
  }

  /// One more token.
  ///
  /// @param bytes its bytes
  void add(byte[] bytes, @Nullable TokenLogprob token) {
    add(bytes, token, true);
  }

  /// @param mayStop whether the answer is long enough for a stop string to end it
  void add(byte[] bytes, @Nullable TokenLogprob token, boolean mayStop) {
    if (token != null) {
      held.add(new Held(token.at(codePoints), decoded));
    }
    decode(characters.accept(bytes), mayStop);
  }

  /// The text ends here; the beginning of a character that is not complete is no part of it.
  void end() {
    sure.append(stops.finish());
  }

  private void decode(String text, boolean mayStop) {
    decoded += text.length();
    codePoints += text.codePointCount(0, text.length());
    sure.append(stops.accept(text, mayStop));
  }

  /// What is sure and was not taken yet.
  ///
  /// @param last whether nothing follows
  Piece take(boolean last) {
    String text = sure.toString();
    sure.setLength(0);
    released += text.length();
    List<TokenLogprob> tokens = new ArrayList<>();
    while (!held.isEmpty() && (held.peek().start() < released || (last && !stopped()))) {
      tokens.add(held.remove().token());
    }
    return new Piece(text, tokens);
  }
}
