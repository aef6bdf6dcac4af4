/// Immutable nouns of the fleet: instances, cache types, candidates per model. Values only: no I/O,
/// no clock, no locks.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.fleet;
