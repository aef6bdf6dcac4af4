/// Keys, TOML files, environment and flags, resolved to values that remember where they came from.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.config;
