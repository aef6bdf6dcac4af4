package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;

/// What one call to an instance tells its exchange, on the exchange's event loop and never inside a
/// call that the exchange makes; after [#ended] or [#failed] nothing more comes.
public interface UpstreamEvents {
  /// An informational answer came (1xx, but for 101), before the answer itself.
  void interim(ResponseHead head);

  void answered(ResponseHead head);

  /// A slice of the body, framing removed; the receiver owns it.
  void body(ByteBuf slice);

  /// What was readable has been read: a good moment to flush.
  void pause();

  /// The answer is whole, as far as its framing can tell.
  ///
  /// @param byClose whether an orderly close was what ended it: it had neither a length nor chunks,
  ///   so an instance that died in the middle looks the same
  void ended(boolean byClose);

  void failed(Failure failure);
}
