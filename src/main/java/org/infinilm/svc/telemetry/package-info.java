/// Numbers: clock, counters, histograms and their exposition.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.telemetry;
