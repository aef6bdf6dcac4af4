package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpRequest;
import java.util.List;

/// A request's head with what this room does with it: either framing's.
interface ClientHead extends RequestHead {
  /// Whether its connection may carry another request.
  boolean keepAlive();

  /// Whether it announced a body, if an empty one.
  boolean framed();

  /// Bytes of its body as announced, 0 when it did not say.
  long length();

  /// Whether its sender takes trailers.
  boolean takesTrailers();

  /// All fields as they came.
  List<Header> fields();

  /// A copy as an object of the codec, which may be changed.
  HttpRequest copy();
}
