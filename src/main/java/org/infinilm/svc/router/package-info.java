/// The proxy: listener, exchange, upstream; health, registry sync, the router's own routes.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.router;
