package org.infinilm.svc.evaluation;

import org.infinilm.svc.simulator.LeapJob;

/// One request of a workload.
///
/// @param id its place in the workload
/// @param atNanos when it comes; of a later turn of a conversation, how long after the answer
///   before
/// @param after the request whose answer it waits for, -1 for none
/// @param job its true lengths, which no policy sees
/// @param bodyBytes of its body
/// @param text kind of its bytes
/// @param maxTokens that the client wrote, 0 for nothing
/// @param key of its conversation or caller, as the router hashes it; 0 when it has none
record Request(
    int id,
    double atNanos,
    int after,
    LeapJob job,
    int bodyBytes,
    Text text,
    int maxTokens,
    long key) {}
