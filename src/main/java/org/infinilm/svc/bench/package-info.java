/// Datasets, comparisons of result files; load later. Looks at a deployment over sockets only.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.bench;
