package org.infinilm.svc.results;

/// A time of a request that is compared and drawn.
public enum TimeKind {
  TTFT("TTFT"),
  TPOT("TPOT"),
  E2E("E2E");

  public final String label;

  TimeKind(String label) {
    this.label = label;
  }

  /// From the real send, as the figures of a result are; NaN when the request has none.
  public double served(ResultRequest r) {
    return this == TPOT ? r.tpotS() : seconds(r) - r.lateS();
  }

  /// From the intended send; NaN when the request has none.
  public double seconds(ResultRequest r) {
    return switch (this) {
      case TTFT -> r.ttftS();
      case TPOT -> r.tpotS();
      case E2E -> r.e2eS();
    };
  }
}
