/// The load generator: its client, the server that it measures, what it measures of each request,
/// and the gauges of the engines beside.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.load;
