package org.infinilm.svc.history;

import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.history.History.Words;
import org.jspecify.annotations.Nullable;

/// What has ended on one thread since history's last step: sums, and what is to be kept one by one.
/// Added to by that thread, taken by history's, which holds the lock for a few writes alone.
///
/// @param <D> what is offered
final class Gathered<D> {
  /// What is to be kept of one request.
  record Row<D>(Entry entry, D of) {}

  /// What was gathered.
  ///
  /// @param lost that were to be kept and found no room
  record Taken<D>(Tally tally, List<Row<D>> rows, long counted, long passedOver, long lost) {}

  private final Words<D> words;
  private final Sample sample;
  private final int mostRows;
  private Tally tally = new Tally();
  private List<Row<D>> rows = new ArrayList<>();
  private long counted;
  private long passedOver;
  private long lost;

  Gathered(Words<D> words, Sample sample, int mostRows) {
    this.words = words;
    this.sample = sample;
    this.mostRows = mostRows;
  }

  synchronized void add(D of) {
    Ended e = words.ended(of);
    counted++;
    tally.add(e);
    if (!sample.keeps(e)) {
      passedOver++;
    } else if (rows.size() >= mostRows) {
      lost++;
    } else {
      rows.add(new Row<>(words.entry(of), of));
    }
  }

  /// What was gathered since the last time; nothing is added to it any more. Null when nothing was.
  synchronized @Nullable Taken<D> take() {
    if (counted == 0) {
      return null;
    }
    Taken<D> t = new Taken<>(tally, rows, counted, passedOver, lost);
    tally = new Tally();
    rows = new ArrayList<>();
    counted = 0;
    passedOver = 0;
    lost = 0;
    return t;
  }
}
