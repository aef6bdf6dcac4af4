package org.infinilm.svc.http;

import java.util.List;

/// Changes to a head on its way through: the sender's head itself stays as it came. Hop-by-hop
/// fields are dropped and framing and Host are set without being named here; an answer whose
/// `content-length` is dropped is framed anew, since its body is to be another.
///
/// @param dropped names (lower case) of end-to-end fields that do not go on
/// @param set fields that replace the sender's of the same name (lower-case names)
public record HeadPatch(List<String> dropped, List<Header> set) {
  public HeadPatch {
    dropped = List.copyOf(dropped);
    set = List.copyOf(set);
  }

  public static HeadPatch setting(List<Header> fields) {
    return new HeadPatch(List.of(), fields);
  }
}
