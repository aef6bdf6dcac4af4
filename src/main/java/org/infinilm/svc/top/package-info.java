/// A router in the terminal: what its event stream tells, drawn.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.top;
