package org.infinilm.svc.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The text side of a model: tokens and the chat template. Thread-safe.
interface Vocabulary {
  /// One message of a chat. What comes with NULs is without them: they end a text in llama.cpp, and
  /// what they part must not come together behind those that look for the texts of controls.
  ///
  /// @param calls what an assistant called
  record Message(String role, String content, List<Call> calls) {
    public Message {
      content = withoutNul(content);
      calls = List.copyOf(calls);
    }

    Message(String role, String content) {
      this(role, content, List.of());
    }
  }

  /// One call of a function.
  ///
  /// @param arguments JSON
  record Call(String name, String arguments) {
    public Call {
      arguments = withoutNul(arguments);
    }
  }

  private static String withoutNul(String text) {
    return text.indexOf('\0') < 0 ? text : text.replace("\0", "");
  }

  /// The number of token ids; valid ids are 0 up to it.
  int size();

  /// Whether `token` ends a generation.
  boolean isEnd(int token);

  /// @param special whether the model's own first token is put in front
  /// @param control whether the texts of control tokens become these tokens, or plain text
  int[] tokenize(String text, boolean special, boolean control);

  /// With control tokens.
  default int[] tokenize(String text, boolean special) {
    return tokenize(text, special, true);
  }

  /// The texts of the control tokens: those that begin and end turns, and their like.
  default List<String> controls() {
    return List.of();
  }

  /// How the model is told of tools and calls them, or null when its template knows none.
  default @Nullable ToolForm toolForm() {
    return null;
  }

  /// The bytes of every token, by id; a piece may be a part of a UTF-8 character, or empty for a
  /// control token.
  byte[][] pieces();

  /// The text of a prompt for these messages, by the model's own template.
  ///
  /// @param answerTurn whether it ends with the beginning of the answer's turn
  /// @throws IllegalArgumentException when the template cannot render them
  String prompt(List<Message> messages, boolean answerTurn);

  /// A form for answers, at its beginning, for one generation.
  ///
  /// @param gbnf llama.cpp's grammar notation with the rule `root`
  /// @throws IllegalArgumentException when llama.cpp does not take it
  Grammar grammar(String gbnf);
}
