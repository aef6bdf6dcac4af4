package org.infinilm.svc.http;

import java.time.Duration;

/// Limits of one call to an instance.
///
/// @param connect until the connection stands, its TLS handshake included
/// @param firstByte from then until the first byte of the answer's body
/// @param idle between bytes after it
public record TimeLimits(Duration connect, Duration firstByte, Duration idle) {}
