/// Routing policies on recorded and made traffic before simulated engines, on a virtual clock: what
/// a fleet can carry within its limits, and how far a policy is from the best.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.evaluation;
