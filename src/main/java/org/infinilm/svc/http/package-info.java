/// Bytes: the Netty server and client, framing, JSON peek, SSE. No domain type appears here.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.http;
