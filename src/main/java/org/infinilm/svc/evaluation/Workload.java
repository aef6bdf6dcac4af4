package org.infinilm.svc.evaluation;

import java.util.List;

/// Requests in the order of their ids; those that wait for no other come in the order of time.
///
/// @param spanNanos from 0 to the last arrival that waits for no other
record Workload(String name, List<Request> requests, double spanNanos) {
  Workload {
    requests = List.copyOf(requests);
  }
}
