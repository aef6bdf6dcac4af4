/// Figures of samples, and what a difference between two sets of runs is worth. Pure.
@org.jspecify.annotations.NullMarked
package org.infinilm.svc.statistics;
