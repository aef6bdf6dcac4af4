package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/// A `llama_batch` whose arrays live as long as the context. One thread.
final class NativeBatch {
  /// `llama_batch` (56 bytes): int32 n_tokens 0; pointers token 8, embd 16, pos 24, n_seq_id 32,
  /// seq_id 40, logits 48.
  static final StructLayout LAYOUT =
      MemoryLayout.structLayout(
          JAVA_INT,
          MemoryLayout.paddingLayout(4),
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS);

  private final int capacity;
  private final MemorySegment header;
  private final MemorySegment tokens;
  private final MemorySegment positions;
  private final MemorySegment sequences;
  private final MemorySegment logits;

  NativeBatch(Arena arena, int capacity) {
    this.capacity = capacity;
    header = arena.allocate(LAYOUT);
    tokens = arena.allocate(JAVA_INT, capacity);
    positions = arena.allocate(JAVA_INT, capacity);
    sequences = arena.allocate(JAVA_INT, capacity);
    logits = arena.allocate(JAVA_BYTE, capacity);
    MemorySegment counts = arena.allocate(JAVA_INT, capacity);
    MemorySegment pointers = arena.allocate(ADDRESS, capacity + 1L);
    for (int i = 0; i < capacity; i++) {
      counts.setAtIndex(JAVA_INT, i, 1);
      pointers.setAtIndex(ADDRESS, i, sequences.asSlice((long) i * Integer.BYTES));
    }
    header.set(ADDRESS, 8, tokens);
    header.set(ADDRESS, 24, positions);
    header.set(ADDRESS, 32, counts);
    header.set(ADDRESS, 40, pointers);
    header.set(ADDRESS, 48, logits);
  }

  /// The structure with these tokens in it; the same one each time.
  MemorySegment fill(Batch b) {
    if (b.size < 1 || b.size > capacity) {
      throw new IllegalArgumentException(
          "batch of " + b.size + " tokens (expected: 1.." + capacity + ")");
    }
    header.set(JAVA_INT, 0, b.size);
    MemorySegment.copy(b.tokens, 0, tokens, JAVA_INT, 0, b.size);
    MemorySegment.copy(b.positions, 0, positions, JAVA_INT, 0, b.size);
    MemorySegment.copy(b.sequences, 0, sequences, JAVA_INT, 0, b.size);
    for (int i = 0; i < b.size; i++) {
      logits.set(JAVA_BYTE, i, (byte) (b.logits[i] ? 1 : 0));
    }
    return header;
  }
}
