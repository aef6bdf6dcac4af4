package org.infinilm.svc.http;

import java.net.InetSocketAddress;

/// Where requests of one instance go: a resolved address, and the authority for the Host field.
///
/// @param address resolved; name look-ups never happen on an event loop
/// @param authority `host:port` as configured
/// @param prefix path before every target, empty or `/x`
public record Origin(InetSocketAddress address, String authority, String prefix) {}
