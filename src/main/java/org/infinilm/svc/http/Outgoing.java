package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/// One call to an instance, made of a client's request.
///
/// @param patch changes to the request's head for this call alone
/// @param body replaces the request's body (ownership passes), or null to send it as it came
/// @param reuse whether a kept connection will do; one may turn out to be closed
///   ([Failure.Kind#CLOSED_STALE])
public record Outgoing(
    Origin origin, HeadPatch patch, @Nullable ByteBuf body, TimeLimits limits, boolean reuse) {}
