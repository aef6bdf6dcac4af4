/// What a load consists of: data sets and their generators, lengths, tokenizers, arrival times and
/// the bodies that are sent. Opens no socket.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.workload;
