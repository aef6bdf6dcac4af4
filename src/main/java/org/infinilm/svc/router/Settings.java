package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.Key;
import org.jspecify.annotations.Nullable;

/// The settings in force: the one place where others are put in. Reading is one volatile read.
final class Settings implements Supplier<RouterConfig> {
  /// Those that hold from the moment on at which a file says so; all others need a restart.
  static final Set<Key<?>> LIVE =
      Stream.of(
              List.of(
                  RouterConfig.POLICY,
                  RouterConfig.THRESHOLD,
                  RouterConfig.THRESHOLDS,
                  RouterConfig.ALIASES,
                  RouterConfig.ALIAS_ANSWERS,
                  RouterConfig.UNKNOWN_MODEL,
                  RouterConfig.CLIENT_KEYS,
                  RouterConfig.INSTANCES,
                  RouterConfig.STATIC,
                  RouterConfig.HEADERS,
                  RouterConfig.SESSION_HEADER,
                  RouterConfig.ADMIN_TOKEN,
                  RouterConfig.LOOPBACK_NEEDS_TOKEN,
                  RouterConfig.UI_HOSTS,
                  RouterConfig.TRUSTED_PROXIES,
                  RouterConfig.SSE_COMMENTS,
                  RouterConfig.INFORMATIONAL,
                  Learning.AFFINITY,
                  Seating.STATIC_SEATS,
                  Seating.PAGED_SEATS,
                  Seating.QUEUE_LIMIT,
                  Seating.QUEUE_TIMEOUT),
              Timeouts.KEYS)
          .flatMap(List::stream)
          .collect(Collectors.toUnmodifiableSet());

  private RouterConfig told;
  private final Map<String, Long> thresholds = new HashMap<>();
  private volatile RouterConfig now;

  Settings(RouterConfig config) {
    this.told = config;
    this.now = config;
  }

  @Override
  public RouterConfig get() {
    return now;
  }

  /// Puts in what of `next` holds without a restart.
  synchronized void replace(RouterConfig next) {
    told = told.live(next, Map.of());
    now = told.live(told, thresholds);
  }

  /// Sets a threshold here, over what files say, until it is taken back.
  ///
  /// @param model an empty name for those that have none of their own
  /// @param threshold null to take it back
  synchronized void threshold(String model, @Nullable Long threshold) {
    if (threshold == null) {
      thresholds.remove(model);
    } else {
      thresholds.put(model, threshold);
    }
    now = told.live(told, thresholds);
  }

  /// Thresholds that were set here, by model.
  synchronized Map<String, Long> ownThresholds() {
    return Map.copyOf(thresholds);
  }

  /// Which of these need a restart.
  static List<String> restartFor(List<Key<?>> changed) {
    List<String> out = new ArrayList<>();
    for (Key<?> k : changed) {
      if (!LIVE.contains(k)) {
        out.add(k.name());
      }
    }
    return out;
  }
}
