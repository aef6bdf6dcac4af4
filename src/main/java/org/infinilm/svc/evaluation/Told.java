package org.infinilm.svc.evaluation;

/// One that is told which request the next choice is about: no policy of a router's, but what these
/// are compared with.
interface Told {
  void asks(Request r);
}
