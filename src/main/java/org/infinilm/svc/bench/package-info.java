/// `infini bench`: a run wired together, or another load generator watched.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.bench;
