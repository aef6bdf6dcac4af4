package org.infinilm.svc.fleet;

/// The hash by which routers agree on homes: the same on every machine and in every version.
public final class Hash {
  private Hash() {}

  /// FNV-1a over the UTF-16 units of a text, finished by [#mix]; never 0.
  public static long of(CharSequence s) {
    long h = 0xcbf29ce484222325L;
    for (int k = 0; k < s.length(); k++) {
      h = (h ^ s.charAt(k)) * 0x100000001b3L;
    }
    long m = mix(h);
    return m == 0 ? 1 : m;
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
  public static long mix(long z) {
    long a = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    long b = (a ^ (a >>> 27)) * 0x94d049bb133111ebL;
    return b ^ (b >>> 31);
  }
}
