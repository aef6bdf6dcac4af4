/// Processes of this machine: told apart, found by what they carry, ended with all that came from
/// them.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.process;
