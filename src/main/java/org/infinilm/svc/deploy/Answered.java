package org.infinilm.svc.deploy;

import org.infinilm.svc.http.Header;

/// Who answered a request, by the router's headers and by what the fleet says about that instance.
///
/// @param pool the pool that the router names
/// @param cacheType of the instance, by its metadata; empty when the fleet does not list it
/// @param size in the unit of the router's metric, -1 when not said
/// @param threshold in the same unit, -1 when not said
record Answered(
    String instance, String pool, String reason, String cacheType, long size, long threshold) {

  static Answered of(Probe.Seen seen, Fleet fleet) {
    String instance = Header.decode(seen.header("x-infini-instance"));
    return new Answered(
        instance,
        seen.header("x-infini-pool"),
        seen.header("x-infini-reason"),
        fleet.find(instance).map(Fleet.Member::cacheType).orElse(""),
        number(seen.header("x-infini-size")),
        number(seen.header("x-infini-threshold")));
  }

  private static long number(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException notSaid) {
      return -1;
    }
  }

  String describe() {
    if (instance.isEmpty()) {
      return "no x-infini-instance header (expected of a router with decision_headers on)";
    }
    return instance
        + " (pool "
        + pool
        + (cacheType.equals(pool) ? "" : ", cache_type " + cacheType)
        + ", reason "
        + reason
        + ", size "
        + size
        + (size > threshold ? " > " : " <= ")
        + threshold
        + ")";
  }
}
