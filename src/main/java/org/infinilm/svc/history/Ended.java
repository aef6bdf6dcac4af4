package org.infinilm.svc.history;

import org.infinilm.svc.history.Entry.End;

/// What figures ask of a finished request. Words as [Entry] has them.
public interface Ended {
  long epochMillis();

  /// Name of the client's key; empty where there is none.
  String key();

  /// Empty when it is not known.
  String model();

  /// `paged`, `static` or `any`; empty when it came to no instance.
  String pool();

  /// Empty when it went nowhere.
  String reason();

  End end();

  /// Attempts that were sent to instances.
  int attempts();

  /// 0 when it is not known.
  long ttftNanos();

  /// Whether the answer told its tokens; they are 0 where it did not.
  boolean told();

  long promptTokens();

  /// Of the prompt's.
  long cachedTokens();

  long completionTokens();
}
