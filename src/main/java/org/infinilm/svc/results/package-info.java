/// What a run has shown: its figures, the report, the result file, and how such a file is read
/// again.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.results;
