package org.infinilm.svc.router;

import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;

/// How to reach the instance of a slot.
///
/// @param origin resolved address
/// @param authorization value of the Authorization field to send instead of the client's, or null
record Target(Origin origin, @Nullable String authorization) {}
