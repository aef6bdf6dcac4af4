package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Cells without a model: like llama.cpp, a batch must find its cells side by side. The next token
/// is always the last one plus 1.
final class FakeLlama implements Llama {
  private static final int LETTER_TOKENS = 100;
  private static final int END_TOKEN = 99;

  /// Token n is the letter n of the alphabet, around and around; 99 is the end.
  static final Vocabulary LETTERS =
      new Vocabulary() {
        @Override
        public int size() {
          return LETTER_TOKENS;
        }

        @Override
        public boolean isEnd(int token) {
          return token == END_TOKEN;
        }

        @Override
        public int[] tokenize(String text, boolean special, boolean control) {
          return text.chars().map(c -> c - 'a').toArray();
        }

        @Override
        public byte[][] pieces() {
          return IntStream.range(0, LETTER_TOKENS)
              .mapToObj(i -> new byte[] {(byte) ('a' + i % 26)})
              .toArray(byte[][]::new);
        }

        @Override
        public String prompt(List<Message> messages, boolean answerTurn) {
          return messages.getLast().content();
        }

        @Override
        public Grammar grammar(String gbnf) {
          throw new UnsupportedOperationException();
        }
      };

  private record Cell(int position, Set<Integer> sequences) {}

  private final @Nullable Cell[] cells;
  private final int vocabulary;
  private final int[] lastTokens = new int[4096];
  volatile boolean failing;

  /// The token whose logit is no number; none when negative.
  volatile int nan = -1;

  int defragmentations;

  /// Batches and their tokens so far.
  int steps;

  int computedTokens;

  /// Opens when a decode begins.
  final CountDownLatch entered = new CountDownLatch(1);

  /// While it is closed, a decode waits for it.
  volatile CountDownLatch gate = new CountDownLatch(0);

  FakeLlama(int cells, int vocabulary) {
    this.cells = new Cell[cells];
    this.vocabulary = vocabulary;
  }

  @Override
  public Shape shape() {
    return new Shape("fake", 0, 1, 1, 1, 1, cells.length);
  }

  @Override
  public Vocabulary vocabulary() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void open(Layout layout) {}

  @Override
  public TokenEmbeddings openEmbeddings(Layout layout) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Decoded decode(Batch batch) {
    entered.countDown();
    try {
      if (!gate.await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("nobody opened the gate");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    if (failing) {
      return Decoded.FAILED;
    }
    int at = run(batch.size);
    if (at < 0) {
      return Decoded.NO_CELLS;
    }
    steps++;
    computedTokens += batch.size;
    for (int i = 0; i < batch.size; i++) {
      cells[at + i] = new Cell(batch.positions[i], new HashSet<>(Set.of(batch.sequences[i])));
      lastTokens[i] = batch.tokens[i];
    }
    return Decoded.DONE;
  }

  private int run(int length) {
    int free = 0;
    for (int i = 0; i < cells.length; i++) {
      free = cells[i] == null ? free + 1 : 0;
      if (free == length) {
        return i - length + 1;
      }
    }
    return -1;
  }

  @Override
  public void logits(int index, float[] into) {
    java.util.Arrays.fill(into, 0);
    into[(lastTokens[index] + 1) % vocabulary] = 1;
    if (nan >= 0) {
      into[nan] = Float.NaN;
    }
  }

  @Override
  public void share(int from, int to, int start, int end) {
    for (Cell c : cells) {
      if (c != null
          && c.sequences().contains(from)
          && c.position() >= start
          && c.position() < end) {
        c.sequences().add(to);
      }
    }
  }

  @Override
  public void trim(int sequence, int from) {
    for (int i = 0; i < cells.length; i++) {
      Cell c = cells[i];
      if (c != null && c.position() >= from && c.sequences().remove(sequence)) {
        cells[i] = c.sequences().isEmpty() ? null : c;
      }
    }
  }

  private record Positions(List<Integer> held) implements Saved {
    @Override
    public void close() {}
  }

  @Override
  public Saved save(int sequence) {
    List<Integer> held = new ArrayList<>();
    for (Cell c : cells) {
      if (c != null && c.sequences().contains(sequence)) {
        held.add(c.position());
      }
    }
    return new Positions(held);
  }

  @Override
  public boolean restore(Saved saved, int sequence) {
    trim(sequence, 0);
    List<Integer> held = ((Positions) saved).held();
    int at = run(held.size());
    for (int i = 0; at >= 0 && i < held.size(); i++) {
      cells[at + i] = new Cell(held.get(i), new HashSet<>(Set.of(sequence)));
    }
    return at >= 0;
  }

  @Override
  public void defragment() {
    defragmentations++;
    List<Cell> used = new ArrayList<>();
    for (int i = 0; i < cells.length; i++) {
      if (cells[i] != null) {
        used.add(cells[i]);
        cells[i] = null;
      }
    }
    for (int i = 0; i < used.size(); i++) {
      cells[i] = used.get(i);
    }
  }

  @Override
  public int usedCells() {
    int n = 0;
    for (Cell c : cells) {
      n += c == null ? 0 : 1;
    }
    return n;
  }

  @Override
  public void close() {}
}
