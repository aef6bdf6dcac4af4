/// Instances that are pods of a Kubernetes cluster, followed over its API.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.kubernetes;
