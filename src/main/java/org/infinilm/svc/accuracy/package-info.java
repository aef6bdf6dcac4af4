/// Where a router sent the requests of a run, by the word of those that answered, and whether that
/// is where its size rule sends them.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.accuracy;
