/// Result files, evaluations and what-ifs as pages and pictures. The only room that draws.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.pictures;
