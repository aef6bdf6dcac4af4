/// Result files side by side, with intervals; differences within the noise are not called
/// differences.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.comparison;
