package org.infinilm.svc.http;

import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponse;

/// An answer's head with what this room does with it: either framing's.
interface AnswerHead extends ResponseHead {
  /// Trailer fields of the answer, once it has ended; none before.
  HttpHeaders trailers();

  void trailers(HttpHeaders fields);

  /// The head as an object of the codec, which may be changed.
  HttpResponse response();
}
