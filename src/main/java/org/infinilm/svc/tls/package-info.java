/// TLS as programs are told of it: the settings, what they show of it, certificates for a try.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.tls;
