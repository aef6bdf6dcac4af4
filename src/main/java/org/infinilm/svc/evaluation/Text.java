package org.infinilm.svc.evaluation;

/// What kind of text a prompt is: what a router can see of its bytes, and what it cannot.
enum Text {
  ENGLISH(4.2, 4),
  CODE(3.0, 4),
  CJK(3.6, 2.5);

  /// Bytes a token, on average.
  final double bytesPerToken;

  /// What a router takes it for before an answer has told.
  final double firstGuess;

  Text(double bytesPerToken, double firstGuess) {
    this.bytesPerToken = bytesPerToken;
    this.firstGuess = firstGuess;
  }
}
