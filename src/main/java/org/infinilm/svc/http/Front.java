package org.infinilm.svc.http;

/// Receives complete requests from a [ProxyServer], on event loops; must not block.
public interface Front {
  /// Takes over one request; it must end in exactly one answer.
  void receive(Inbound request);

  /// The answer to a request that cannot be read (`status` 400, 408, 413, 414, 431, 501, 503, 505):
  /// what is wrong with it.
  Response refusal(int status, String why);
}
