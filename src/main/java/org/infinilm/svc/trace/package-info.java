/// Traces: the context that travels with requests (W3C Trace Context), and spans for a receiver of
/// the OpenTelemetry protocol.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.trace;
