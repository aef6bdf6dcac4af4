package org.infinilm.svc.discovery;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// What a source said.
public final class Heard implements Source.Listener {
  private final List<List<Found>> lists = new CopyOnWriteArrayList<>();
  private final List<String> everTroubles = new CopyOnWriteArrayList<>();
  private volatile List<String> troubles = List.of();

  @Override
  public void found(List<Found> all) {
    lists.add(List.copyOf(all));
  }

  @Override
  public void troubles(List<String> all) {
    everTroubles.addAll(all);
    troubles = List.copyOf(all);
  }

  public List<String> troubles() {
    return troubles;
  }

  /// All that was ever wrong.
  public List<String> everTroubles() {
    return List.copyOf(everTroubles);
  }

  /// How often something was listed.
  public int times() {
    return lists.size();
  }

  public List<Found> last() {
    return lists.isEmpty() ? List.of() : lists.getLast();
  }

  /// The URLs of the last list, with the address at which each is.
  public List<String> urls() {
    return last().stream()
        .map(f -> f.url() + (f.address() == null ? "" : " at " + f.address()))
        .sorted()
        .toList();
  }
}
