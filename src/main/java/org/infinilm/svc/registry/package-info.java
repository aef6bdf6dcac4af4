/// Who is alive: leases, probes, the registry's server and its client.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.registry;
