/// What a router did, kept in a file: decisions, minutes of pools, usage by key, model and day.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.history;
