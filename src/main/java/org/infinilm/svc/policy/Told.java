package org.infinilm.svc.policy;

import java.util.Map;

/// What another router has learned by itself, as its [Policy#remembered] gave it.
///
/// @param from names the router
/// @param weight how much it counts, above 0 and up to 1: less the longer ago it was said
/// @param atNanos when it was heard, on the clock of this router
public record Told(String from, Map<String, Object> learned, double weight, long atNanos) {}
