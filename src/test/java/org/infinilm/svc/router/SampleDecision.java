package org.infinilm.svc.router;

import java.util.List;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Roll;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.policy.Forecast;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// What a decision says of a request that was answered well, until a test says otherwise.
final class SampleDecision {
  long sequence;
  String requestId = "id";
  long epochMillis;
  long endNanos;
  String path = "/v1/x";
  String model = "m";
  long size = 1;
  long threshold = 2;
  long needTokens = 3;
  @Nullable Pool pool;
  @Nullable String instance;
  @Nullable Reason reason;
  Roll roll = Roll.NONE;
  Outcome outcome = Outcome.OK;
  int status = 200;
  int attempts = 1;
  long queueNanos;
  long ttftNanos;
  long totalNanos;
  long requestBytes;
  long responseBytes;
  @Nullable Usage usage;
  int events;
  Forecast forecast = Forecast.NONE;
  @Nullable String key;

  Decision make() {
    return new Decision(
        sequence,
        requestId,
        epochMillis,
        endNanos,
        "POST",
        path,
        model,
        size,
        threshold,
        needTokens,
        pool,
        instance,
        reason,
        roll,
        List.of(),
        List.of(),
        outcome,
        status,
        attempts,
        queueNanos,
        ttftNanos,
        totalNanos,
        requestBytes,
        responseBytes,
        usage,
        events,
        forecast,
        0,
        key,
        null,
        null);
  }
}
