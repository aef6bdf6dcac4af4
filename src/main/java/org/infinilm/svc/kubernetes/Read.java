package org.infinilm.svc.kubernetes;

import org.infinilm.svc.discovery.Found;
import org.jspecify.annotations.Nullable;

/// What a pod says of itself at one version. Immutable.
///
/// @param key `namespace/name`
/// @param uid tells one pod from another that had its name
/// @param version `resourceVersion` as a number, -1 when it is none
/// @param found the instance that it is, or null
/// @param trouble why it is none although it should be one, or null
/// @param ended whether its containers have ended for good
/// @param ready whether it may get requests
record Read(
    String key,
    String uid,
    long version,
    @Nullable Found found,
    @Nullable String trouble,
    boolean ended,
    boolean ready) {}
