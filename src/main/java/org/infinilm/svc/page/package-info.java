/// The router's page: its files, as they are served.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.page;
