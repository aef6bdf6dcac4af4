package org.infinilm.svc.policy;

/// Requests in flight, counted by the router itself. Read from event loops while others write.
@FunctionalInterface
public interface Load {
  /// Requests sent to the instance of this slot and not yet settled.
  int inFlight(int slot);
}
