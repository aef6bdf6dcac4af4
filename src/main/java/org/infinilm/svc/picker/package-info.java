/// Envoy's endpoint picker (ext_proc): who gets a request that Envoy carries, by the router's
/// policies.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.picker;
