/// Who gets the request: one file per routing idea, pure decisions over immutable candidates.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.policy;
