/// How files are followed by looking at them: what a look finds, and how long it is waited.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.files;
