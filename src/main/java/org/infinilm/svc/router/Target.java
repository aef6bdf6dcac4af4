package org.infinilm.svc.router;

import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.http.Origin;
import org.jspecify.annotations.Nullable;

/// How to reach the instance of a slot.
///
/// @param instance the instance when the table was made: slots are used again
/// @param origin resolved address
/// @param authorization value of the Authorization field to send instead of the client's, or null
record Target(Instance instance, Origin origin, @Nullable String authorization) {}
