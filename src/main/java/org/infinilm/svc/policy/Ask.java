package org.infinilm.svc.policy;

/// What a decision is about: the facts of one request, read from its body.
///
/// @param size in the unit of the size metric
/// @param threshold `size <= threshold` is small
/// @param needTokens estimate of prompt and output tokens
/// @param leastTokens the same at the fewest tokens a body of this size can have
/// @param affinity hash of the key whose requests share a prefix; 0 for none
/// @param promptTokens estimate of the prompt alone; 0 when it is not known
/// @param maxTokens the most that the client allows for the answer; 0 when it did not say
/// @param text of what kind most of it is
/// @param prefix hash of what its requests most likely share a prefix by: the key, or else what was
///   found without the client's help; 0 for nothing
/// @param waitedNanos how long it has stood in line; 0 for not at all
public record Ask(
    long size,
    long threshold,
    long needTokens,
    long leastTokens,
    long affinity,
    long promptTokens,
    long maxTokens,
    TextKind text,
    long prefix,
    long waitedNanos) {
  /// Kinds of text that estimates of tokens are wrong about by different factors.
  public enum TextKind {
    /// Letters, mostly.
    PROSE,
    /// Digits and marks, much more than prose has.
    CODE,
    /// Characters beyond ASCII.
    WIDE
  }

  /// One that has not waited.
  public Ask(
      long size,
      long threshold,
      long needTokens,
      long leastTokens,
      long affinity,
      long promptTokens,
      long maxTokens,
      TextKind text,
      long prefix) {
    this(
        size,
        threshold,
        needTokens,
        leastTokens,
        affinity,
        promptTokens,
        maxTokens,
        text,
        prefix,
        0);
  }

  /// One whose lengths are not known apart.
  public Ask(long size, long threshold, long needTokens, long leastTokens, long affinity) {
    this(size, threshold, needTokens, leastTokens, affinity, 0, 0);
  }

  /// One of prose.
  public Ask(
      long size,
      long threshold,
      long needTokens,
      long leastTokens,
      long affinity,
      long promptTokens,
      long maxTokens) {
    this(
        size,
        threshold,
        needTokens,
        leastTokens,
        affinity,
        promptTokens,
        maxTokens,
        TextKind.PROSE,
        affinity);
  }

  /// The same of which nothing is known to be cached.
  Ask withoutPrefix() {
    return new Ask(
        size,
        threshold,
        needTokens,
        leastTokens,
        affinity,
        promptTokens,
        maxTokens,
        text,
        0,
        waitedNanos);
  }

  /// The same after it has stood in line for so long.
  public Ask waited(long nanos) {
    return nanos == waitedNanos
        ? this
        : new Ask(
            size,
            threshold,
            needTokens,
            leastTokens,
            affinity,
            promptTokens,
            maxTokens,
            text,
            prefix,
            nanos);
  }

  /// The same for a policy that does not keep keys together.
  Ask withoutKey() {
    return affinity == 0
        ? this
        : new Ask(
            size,
            threshold,
            needTokens,
            leastTokens,
            0,
            promptTokens,
            maxTokens,
            text,
            prefix,
            waitedNanos);
  }
}
