package org.infinilm.svc.bench;

/// A time of a request that is compared and drawn.
enum TimeKind {
  TTFT("TTFT"),
  TPOT("TPOT"),
  E2E("E2E");

  final String label;

  TimeKind(String label) {
    this.label = label;
  }

  /// From the real send, as the figures of a result are; NaN when the request has none.
  double served(ResultRequest r) {
    return this == TPOT ? r.tpotS() : seconds(r) - r.lateS();
  }

  /// From the intended send; NaN when the request has none.
  double seconds(ResultRequest r) {
    return switch (this) {
      case TTFT -> r.ttftS();
      case TPOT -> r.tpotS();
      case E2E -> r.e2eS();
    };
  }
}
