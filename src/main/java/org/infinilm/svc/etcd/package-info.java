/// An etcd cluster, spoken to over the JSON gateway of its members.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.etcd;
