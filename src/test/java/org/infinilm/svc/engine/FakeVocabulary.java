package org.infinilm.svc.engine;

import java.util.List;

/// Tokens with given bytes; no text becomes tokens and none of them ends anything.
record FakeVocabulary(byte[][] pieces) implements Vocabulary {
  @Override
  public int size() {
    return pieces.length;
  }

  @Override
  public boolean isEnd(int token) {
    return false;
  }

  @Override
  public int[] tokenize(String text, boolean special, boolean control) {
    return new int[0];
  }

  @Override
  public String prompt(List<Message> messages, boolean answerTurn) {
    throw new IllegalArgumentException("no template");
  }

  @Override
  public Grammar grammar(String gbnf) {
    throw new IllegalArgumentException("no grammar");
  }
}
