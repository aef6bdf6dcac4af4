/// The simulated inference server: paged and static behaviour, paced tokens, faults on demand.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.simulator;
