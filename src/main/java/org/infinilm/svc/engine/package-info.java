/// The embedded inference server on llama.cpp; the only room with native code.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.engine;
