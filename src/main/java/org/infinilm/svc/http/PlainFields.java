package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.handler.codec.http.HttpHeaders;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The fields of a head as they came: ranges of its bytes. Immutable.
final class PlainFields implements HeadView {
  private static final int NAME_BITS = 15;
  private static final int NAME_MASK = (1 << NAME_BITS) - 1;

  /// A value that nearly every head has.
  private static final String JSON = "application/json";

  private static final byte[] JSON_BYTES = JSON.getBytes(ISO_8859_1);

  private final byte[] b;
  private final int first;

  /// One for each field ([#field]), and one for the empty line behind them.
  private final int[] at;

  /// Of the names that there are ([HeadPatch#bit]).
  private final long names;

  /// @param b the head, its start line and empty line included
  /// @param first where the fields begin
  PlainFields(byte[] b, int first, int[] at) {
    this.b = b;
    this.first = first;
    this.at = at;
    long l = 0;
    for (int k = 0; k < at.length - 1; k++) {
      l |= bit(k);
    }
    this.names = l;
  }

  /// A field in one number.
  ///
  /// @param stays whether it goes on to the other side
  static int field(int start, int nameLength, boolean stays) {
    return start << (NAME_BITS + 1) | nameLength << 1 | (stays ? 1 : 0);
  }

  /// Whether `n` bytes from `at` on are this name or word, whatever their case.
  static boolean is(byte[] b, int at, int n, byte[] lowerCase) {
    if (n != lowerCase.length) {
      return false;
    }
    for (int k = 0; k < n; k++) {
      if (lower(b[at + k]) != lowerCase[k]) {
        return false;
      }
    }
    return true;
  }

  private static int lower(byte c) {
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
  }

  int count() {
    return at.length - 1;
  }

  /// Bytes of the whole head.
  int headBytes() {
    return b.length;
  }

  /// What the start line says from `from` on.
  String startWord(int from) {
    return new String(b, from, first - 2 - from, ISO_8859_1);
  }

  private int start(int k) {
    return at[k] >>> (NAME_BITS + 1);
  }

  private int nameLength(int k) {
    return at[k] >>> 1 & NAME_MASK;
  }

  private long bit(int k) {
    return HeadPatch.bit(nameLength(k), b[start(k)]);
  }

  private boolean stays(int k) {
    return (at[k] & 1) != 0;
  }

  private boolean named(int k, String name) {
    int n = nameLength(k);
    if (n != name.length()) {
      return false;
    }
    int start = start(k);
    for (int j = 0; j < n; j++) {
      if (lower(b[start + j]) != name.charAt(j)) {
        return false;
      }
    }
    return true;
  }

  private String name(int k) {
    return new String(b, start(k), nameLength(k), ISO_8859_1);
  }

  private String value(int k) {
    int from = start(k) + nameLength(k) + 1;
    int to = start(k + 1) - 2;
    while (from < to && blank(b[from])) {
      from++;
    }
    while (to > from && blank(b[to - 1])) {
      to--;
    }
    return Arrays.equals(b, from, to, JSON_BYTES, 0, JSON_BYTES.length)
        ? JSON
        : new String(b, from, to - from, ISO_8859_1);
  }

  private static boolean blank(byte c) {
    return c == ' ' || c == '\t';
  }

  boolean has(String name) {
    return index(name, 0) >= 0;
  }

  private int index(String name, int from) {
    if ((names & HeadPatch.bit(name)) == 0) {
      return -1;
    }
    for (int k = from; k < count(); k++) {
      if (named(k, name)) {
        return k;
      }
    }
    return -1;
  }

  @Override
  public @Nullable String header(String name) {
    int k = index(name, 0);
    return k < 0 ? null : value(k);
  }

  @Override
  public @Nullable String joined(String name) {
    int k = index(name, 0);
    if (k < 0) {
      return null;
    }
    String first = value(k);
    k = index(name, k + 1);
    if (k < 0) {
      return first;
    }
    StringBuilder all = new StringBuilder(first);
    for (; k >= 0; k = index(name, k + 1)) {
      all.append(", ").append(value(k));
    }
    return all.toString();
  }

  /// All of them, those of the connection too.
  void addTo(HttpHeaders h) {
    for (int k = 0; k < count(); k++) {
      h.add(name(k), value(k));
    }
  }

  List<Header> all() {
    List<Header> out = new ArrayList<>(count());
    for (int k = 0; k < count(); k++) {
      out.add(new Header(name(k), value(k)));
    }
    return out;
  }

  /// Writes the start line.
  void startLine(HeadWriter to) {
    to.bytes(b, 0, first);
  }

  /// Writes those that go on, as they came, and after them those that are set.
  void patched(HeadWriter to, HeadPatch patch) {
    int from = first;
    int until = first;
    for (int k = 0; k < count(); k++) {
      if (stays(k) && !replaced(k, patch)) {
        until = start(k + 1);
      } else {
        to.bytes(b, from, until - from);
        from = start(k + 1);
        until = from;
      }
    }
    to.bytes(b, from, until - from);
    List<Header> set = patch.set();
    for (int k = 0; k < set.size(); k++) {
      to.field(set.get(k));
    }
  }

  private boolean replaced(int k, HeadPatch patch) {
    if (!patch.mayName(bit(k))) {
      return false;
    }
    int n = nameLength(k);
    List<Header> set = patch.set();
    for (int j = 0; j < set.size(); j++) {
      String name = set.get(j).name();
      if (name.length() == n && named(k, name)) {
        return true;
      }
    }
    List<String> dropped = patch.dropped();
    for (int j = 0; j < dropped.size(); j++) {
      String name = dropped.get(j);
      if (name.length() == n && named(k, name)) {
        return true;
      }
    }
    return false;
  }
}
