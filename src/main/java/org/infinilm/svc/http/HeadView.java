package org.infinilm.svc.http;

import org.jspecify.annotations.Nullable;

/// The head of a message on the proxy path, as the framing below gives it; valid on its event loop
/// until the exchange ends.
public interface HeadView {
  /// The first value of a field (name in lower case), or null.
  @Nullable String header(String name);

  /// All values of a list-valued field (name in lower case) in order, joined by commas (RFC 9110
  /// section 5.3), or null.
  @Nullable String joined(String name);
}
