package org.infinilm.svc.http;

import java.util.List;

/// Changes to a head on its way through: the sender's head itself stays as it came. Hop-by-hop
/// fields are dropped and framing and Host are set without being named here; an answer whose
/// `content-length` is dropped is framed anew, since its body is to be another. Immutable.
public final class HeadPatch {
  private final List<String> dropped;
  private final List<Header> set;

  /// A bit for each name ([#bit]).
  private final long names;

  /// Two for each request: the lists are not copied, and belong to it from now on.
  ///
  /// @param dropped names (lower case) of end-to-end fields that do not go on
  /// @param set fields that replace the sender's of the same name (lower-case names)
  public HeadPatch(List<String> dropped, List<Header> set) {
    this.dropped = dropped;
    this.set = set;
    long l = 0;
    for (int k = 0; k < dropped.size(); k++) {
      l |= bit(dropped.get(k));
    }
    for (int k = 0; k < set.size(); k++) {
      l |= bit(set.get(k).name());
    }
    this.names = l;
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

  /// The bit of a name in sets by which names are told that are not there: of its length and its
  /// first letter, whatever its case.
  static long bit(int length, int first) {
    return 1L << ((first | 0x20) * 11 + length); // of the shift six bits count
  }

  static long bit(String name) {
    return name.isEmpty() ? 0 : bit(name.length(), name.charAt(0));
  }

  /// Whether it may be about a field whose name has this bit.
  boolean mayName(long bit) {
    return (names & bit) != 0;
  }
}
