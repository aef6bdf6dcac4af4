package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A few names and what each stands for, looked up by the bytes of a key: a hash of its length and
/// its first eight bytes leads to the one name that it can be. Immutable.
final class KeyTable<V> {
  private static final VarHandle WORD =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private record Entry<V>(byte[] name, long word, V value) {}

  private final List<Entry<V>> entries;
  private final @Nullable Entry<V>[] slots;

  KeyTable() {
    this(List.of());
  }

  private KeyTable(List<Entry<V>> entries) {
    this.entries = entries;
    this.slots = slots(entries);
  }

  /// The same and more names.
  KeyTable<V> with(V value, String... names) {
    List<Entry<V>> more = new ArrayList<>(entries);
    for (String n : names) {
      byte[] b = n.getBytes(UTF_8);
      more.add(new Entry<>(b, word(b, 0, b.length), value));
    }
    return new KeyTable<>(List.copyOf(more));
  }

  private static <V> @Nullable Entry<V>[] slots(List<Entry<V>> entries) {
    @SuppressWarnings({"unchecked", "rawtypes"}) // arrays know no type parameters
    @Nullable Entry<V>[] slots = new Entry[Integer.highestOneBit(entries.size() * 2 + 1) * 2];
    for (Entry<V> e : entries) {
      int at = hash(e.word, e.name.length) & (slots.length - 1);
      while (slots[at] != null) {
        at = (at + 1) & (slots.length - 1);
      }
      slots[at] = e;
    }
    return slots;
  }

  /// What the `n` bytes from `from` on stand for, or null.
  @Nullable V find(byte[] b, int from, int n) {
    if (n <= 0) {
      return null;
    }
    long w = word(b, from, n);
    for (int at = hash(w, n); ; at++) {
      Entry<V> e = slots[at & (slots.length - 1)];
      if (e == null) {
        return null;
      }
      if (e.word == w
          && e.name.length == n
          && (n <= 8 || Arrays.equals(e.name, 8, n, b, from + 8, from + n))) {
        return e.value;
      }
    }
  }

  /// The first eight bytes, zeros behind the end.
  private static long word(byte[] b, int from, int n) {
    if (from + 8 <= b.length) {
      long w = (long) WORD.get(b, from);
      return n < 8 ? w & (-1L >>> (64 - 8 * n)) : w;
    }
    long w = 0;
    for (int k = Math.min(n, 8) - 1; k >= 0; k--) {
      w = w << 8 | b[from + k] & 0xff;
    }
    return w;
  }

  private static int hash(long word, int n) {
    return (int) ((word * 0x9e3779b97f4a7c15L) >>> 40) + n;
  }
}
