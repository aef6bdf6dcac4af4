package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Cells without a model: like llama.cpp, a batch must find its cells side by side. The next token
/// is always the last one plus 1.
final class FakeLlama implements Llama {
  private record Cell(int position, Set<Integer> sequences) {}

  private final @Nullable Cell[] cells;
  private final int vocabulary;
  private final int[] lastTokens = new int[4096];
  volatile boolean failing;
  int defragmentations;

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
  public Decoded decode(Batch batch) {
    if (failing) {
      return Decoded.FAILED;
    }
    int at = run(batch.size);
    if (at < 0) {
      return Decoded.NO_CELLS;
    }
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
