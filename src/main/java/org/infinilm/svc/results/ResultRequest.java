package org.infinilm.svc.results;

/// One request of a run. Numbers that the file does not have are -1 (counts) or NaN (times).
///
/// @param index its place in the workload, the same in every run of it
/// @param startS intended send time, seconds from the start of the run
/// @param sizeBytes HTTP body
/// @param ok whether it was answered in full
/// @param pool, instance, reason where it went and why; empty when not known
/// @param ttftS, e2eS from the intended send time
/// @param tpotS seconds per output token after the first
/// @param lateS real send after the intended one
public record ResultRequest(
    int index,
    double startS,
    long sizeBytes,
    boolean ok,
    String outcome,
    String pool,
    String instance,
    String reason,
    long inputTokens,
    long outputTokens,
    long cachedTokens,
    double ttftS,
    double tpotS,
    double e2eS,
    double lateS) {}
