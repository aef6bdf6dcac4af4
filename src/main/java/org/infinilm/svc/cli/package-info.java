/// The roof: arguments, wiring, exit codes. Nobody imports it.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.cli;
