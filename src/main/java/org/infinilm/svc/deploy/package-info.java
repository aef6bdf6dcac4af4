/// The case as a whole: up, down, status, validate. Starts programs as processes, looks at them
/// from outside.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.deploy;
