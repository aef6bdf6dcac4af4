/// Where instances are found other than in a registry: folders of files, names in the DNS.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.discovery;
