package org.infinilm.svc.engine;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.infinilm.svc.http.ApiError;

/// Tokenises long texts piece by piece: llama.cpp takes time with the square of a text that has no
/// spaces, and cannot be interrupted. A text is cut where its tokens stay the same: before a space
/// between words, at the beginning of a line, between two ideographs, and only where no token of
/// the vocabulary reaches over the cut. A stretch without such a place is cut anywhere and may have
/// up to [#MOST_MORE] tokens more at each cut. Thread-safe.
final class PieceTokenizer {
  /// Texts up to this are tokenised whole.
  static final int PIECE_CHARS = 4096;

  /// Tokens that a cut anywhere may make more.
  static final int MOST_MORE = 16;

  /// A call of the tokenizer takes about as long as so many characters.
  private static final int CALL_CHARS = 16;

  private static final String LINE = "\n";
  private static final String SAMPLE = "a";

  /// Takes the tokens of one prompt.
  interface Sink {
    /// @param sure tokens that the whole prompt has at least
    /// @throws ApiError when that is too many
    void check(long sure) throws ApiError;
  }

  private final Vocabulary vocabulary;
  private final Neighbours neighbours;
  private final List<String> controls;
  private final int longestControl;

  /// Whether the vocabulary puts a space before a text.
  private final boolean spaced;

  /// What it puts before and behind a prompt.
  private final int[] head;

  private final int[] tail;

  PieceTokenizer(Vocabulary vocabulary, byte[][] pieces) {
    this.vocabulary = vocabulary;
    this.controls = vocabulary.controls();
    this.longestControl = controls.stream().mapToInt(String::length).max().orElse(0);
    this.neighbours = new Neighbours(pieces, controls);
    int[] plain = vocabulary.tokenize(SAMPLE, false, false);
    int[] whole = vocabulary.tokenize(SAMPLE, true, false);
    int at = Math.max(0, Collections.indexOfSubList(boxed(whole), boxed(plain)));
    this.spaced = plain.length > 0 && pieces[plain[0]].length > 0 && pieces[plain[0]][0] == ' ';
    this.head = Arrays.copyOf(whole, at);
    this.tail = Arrays.copyOfRange(whole, Math.min(whole.length, at + plain.length), whole.length);
  }

  private static List<Integer> boxed(int[] tokens) {
    return Arrays.stream(tokens).boxed().toList();
  }

  /// One prompt: its parts one after another.
  ///
  /// @param ownStart whether the model's own first token is put in front
  /// @param effort is told of every piece
  /// @param sink is told how many tokens there are so far
  int[] tokens(List<PromptText.Part> parts, boolean ownStart, Effort effort, Sink sink)
      throws ApiError {
    Tokens out = new Tokens(effort, sink);
    for (int i = 0; i < parts.size(); i++) {
      PromptText.Part p = parts.get(i);
      if (i == 0 || !p.text().isEmpty()) {
        add(p.text(), i == 0 && ownStart, !p.plain(), out);
      }
    }
    return out.all();
  }

  private void add(String text, boolean special, boolean control, Tokens out) throws ApiError {
    if (text.length() <= PIECE_CHARS) {
      out.add(vocabulary.tokenize(text, special, control), text.length(), 0);
      return;
    }
    if (special) {
      out.add(head, 0, 0);
    }
    for (int from = 0; from < text.length(); ) {
      int to = text.length() - from <= PIECE_CHARS ? text.length() : exactCut(text, from);
      int lost = to < 0 ? MOST_MORE : 0;
      to = to < 0 ? anyCut(text, from) : to;
      int[] tokens =
          from == 0 || !spaced
              ? vocabulary.tokenize(text.substring(from, to), false, control)
              : later(text, from, to, control);
      out.add(tokens, to - from, lost);
      from = to;
    }
    if (special) {
      out.add(tail, 0, 0);
    }
  }

  /// A piece that is not the first, with a vocabulary that puts a space before every text.
  private int[] later(String text, int from, int to, boolean control) {
    if (text.charAt(from) == ' '
        && controls.stream().noneMatch(c -> text.startsWith(c, from + 1))) {
      return vocabulary.tokenize(text.substring(from + 1, to), false, control);
    }
    int[] lead = vocabulary.tokenize(LINE, false, control);
    int[] tokens = vocabulary.tokenize(LINE + text.substring(from, to), false, control);
    return tokens.length >= lead.length && Arrays.mismatch(lead, tokens) == lead.length
        ? Arrays.copyOfRange(tokens, lead.length, tokens.length)
        : vocabulary.tokenize(text.substring(from, to), false, control);
  }

  /// The end of a piece where the tokens stay the same, -1 when its second half has none.
  private int exactCut(String text, int from) {
    for (int at = from + PIECE_CHARS; at > from + PIECE_CHARS / 2; at--) {
      if (exact(text, at)) {
        return at;
      }
    }
    return -1;
  }

  private boolean exact(String text, int at) {
    if (inCharacter(text, at)) {
      return false;
    }
    int left = text.codePointBefore(at);
    int right = text.codePointAt(at);
    boolean cut;
    if (right == ' ') {
      cut =
          Character.isLetterOrDigit(left)
              && at + 1 < text.length()
              && Character.isLetter(text.codePointAt(at + 1));
    } else if (left == '\n') {
      cut = Character.isLetter(right) && !Character.isWhitespace(text.charAt(at - 2));
    } else {
      cut =
          Character.getType(left) == Character.OTHER_LETTER
              && Character.getType(right) == Character.OTHER_LETTER;
    }
    return cut && !neighbours.adjacent(left, right);
  }

  private static boolean inCharacter(String text, int at) {
    return Character.isLowSurrogate(text.charAt(at))
        && Character.isHighSurrogate(text.charAt(at - 1));
  }

  /// The end of a piece: where no token reaches over it, else between any two characters.
  private int anyCut(String text, int from) {
    int last = from + PIECE_CHARS;
    int cut = -1;
    for (int at = last; at > from + PIECE_CHARS / 2; at--) {
      if (!inCharacter(text, at)) {
        if (!neighbours.adjacent(text.codePointBefore(at), text.codePointAt(at))) {
          return at;
        }
        if (cut < 0 && last - at <= longestControl && !inControl(text, at)) {
          cut = at;
        }
      }
    }
    return cut < 0 ? (inCharacter(text, last) ? last - 1 : last) : cut;
  }

  private boolean inControl(String text, int at) {
    int begin = Math.max(0, at - longestControl);
    String around = text.substring(begin, Math.min(text.length(), at + longestControl));
    for (String control : controls) {
      int before = around.lastIndexOf(control, at - begin - 1);
      if (before >= 0 && before + control.length() > at - begin) {
        return true;
      }
    }
    return false;
  }

  /// The tokens so far.
  private static final class Tokens {
    private final Effort effort;
    private final Sink sink;
    private int[] all = new int[64];
    private int size;
    private long lost;
    private long sincePause;

    Tokens(Effort effort, Sink sink) {
      this.effort = effort;
      this.sink = sink;
    }

    /// @param chars of the text that they are of
    /// @param perhaps how many of them may be there for the cut alone
    void add(int[] more, int chars, int perhaps) throws ApiError {
      if (all.length - size < more.length) {
        all = Arrays.copyOf(all, Math.max(all.length * 2, size + more.length));
      }
      System.arraycopy(more, 0, all, size, more.length);
      size += more.length;
      lost += perhaps;
      sink.check(size - lost);
      sincePause += chars + CALL_CHARS;
      if (sincePause >= PIECE_CHARS) {
        sincePause = 0;
        effort.pause();
      }
    }

    int[] all() {
      return Arrays.copyOf(all, size);
    }
  }
}
