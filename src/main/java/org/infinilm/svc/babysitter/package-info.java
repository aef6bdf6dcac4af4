/// Keeps one engine process alive and registered.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.babysitter;
