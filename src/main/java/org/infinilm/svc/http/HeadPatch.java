package org.infinilm.svc.http;

import java.util.List;

/// Changes to a head on its way through: the sender's head itself stays as it came. Hop-by-hop
/// fields are dropped and framing and Host are set without being named here; an answer whose
/// `content-length` is dropped is framed anew, since its body is to be another. Immutable.
public final class HeadPatch {
  private final List<String> dropped;
  private final List<Header> set;

  /// A bit for the length of each name, the last for all that are longer.
  private final long lengths;

  /// Two for each request: the lists are not copied, and belong to it from now on.
  ///
  /// @param dropped names (lower case) of end-to-end fields that do not go on
  /// @param set fields that replace the sender's of the same name (lower-case names)
  public HeadPatch(List<String> dropped, List<Header> set) {
    this.dropped = dropped;
    this.set = set;
    long l = 0;
    for (int k = 0; k < dropped.size(); k++) {
      l |= bit(dropped.get(k).length());
    }
    for (int k = 0; k < set.size(); k++) {
      l |= bit(set.get(k).name().length());
    }
    this.lengths = l;
  }

  public static HeadPatch setting(List<Header> fields) {
    return new HeadPatch(List.of(), fields);
  }

  /// Names (lower case) of end-to-end fields that do not go on.
  public List<String> dropped() {
    return dropped;
  }

  /// Fields that replace the sender's of the same name.
  public List<Header> set() {
    return set;
  }

  /// The bit of a name's length, in sets by which names are told that are not there.
  static long bit(int length) {
    return 1L << Math.min(length, Long.SIZE - 1);
  }

  /// Whether it may be about a field whose name has so many bytes.
  boolean mayName(int length) {
    return (lengths & bit(length)) != 0;
  }
}
