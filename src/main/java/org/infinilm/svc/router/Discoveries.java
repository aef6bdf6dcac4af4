package org.infinilm.svc.router;

import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.discovery.Sources;
import org.infinilm.svc.kubernetes.KubernetesSource;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sources of instances beside the registry: each tells the keeper what it lists, in a table of
/// its own. Thread-safe.
final class Discoveries implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Discoveries.class);
  private static final int MOST_TROUBLES = 20;

  /// How it stands with a source.
  ///
  /// @param source as it was given
  /// @param instances that it lists; null before its first word
  /// @param changed when they changed last; null before its first word
  /// @param troubles what is wrong with it, one line each
  record Status(
      String source,
      @Nullable Integer instances,
      @Nullable Instant changed,
      List<String> troubles) {
    private static final List<String> NOT_FOR_ALL = List.of("the router's log says which");

    /// In JSON.
    ///
    /// @param whole whether what is wrong may be told
    Map<String, Object> told(boolean whole) {
      Map<String, Object> m = new HashMap<>();
      m.put("changed", changed == null ? null : changed.toString());
      m.put("instances", instances);
      m.put("source", source);
      m.put("troubles", whole || troubles.isEmpty() ? troubles : NOT_FOR_ALL);
      return m;
    }
  }

  private final Map<SourceSpec, Following> all = new LinkedHashMap<>();

  /// One source and what it said last; written on the source's thread.
  private static final class Following implements Source.Listener {
    private final SourceSpec spec;
    private final Map<String, String> env;
    private final FleetKeeper keeper;
    private final Ticker ticker;
    private List<Known> listed = List.of();
    private List<String> refused = List.of();
    private List<String> wrong = List.of();
    private Set<String> logged = Set.of();
    private volatile Status status;

    Following(SourceSpec spec, Map<String, String> env, FleetKeeper keeper, Ticker ticker) {
      this.spec = spec;
      this.env = env;
      this.keeper = keeper;
      this.ticker = ticker;
      this.status = new Status(spec.text(), null, null, List.of());
    }

    private Known known(Found f) throws ConfigException {
      return StaticServices.found(f, spec.text(), env);
    }

    @Override
    public void found(List<Found> found) {
      Map<String, Known> next = new LinkedHashMap<>();
      List<String> cannot = new ArrayList<>();
      for (Found f : found) {
        try {
          Known k = known(f);
          if (next.putIfAbsent(k.name(), k) != null) {
            cannot.add(
                f.place().apply("name")
                    + ": name "
                    + k.name()
                    + " is listed before (expected: unique names); this one is left out");
          }
        } catch (ConfigException e) {
          cannot.add(String.valueOf(e.getMessage()));
        }
      }
      refused = cannot;
      List<Known> now = List.copyOf(next.values());
      Instant changed = status.changed();
      if (changed == null || !now.equals(listed)) {
        LOG.info("{} lists {} instances", spec.text(), now.size());
        listed = now;
        changed = ticker.now();
        keeper.tell(new FleetKeeper.Report.Table(spec.text(), now, List.of()));
      }
      status = new Status(spec.text(), now.size(), changed, told());
    }

    @Override
    public void troubles(List<String> troubles) {
      wrong = List.copyOf(troubles);
      List<String> told = told();
      for (String t : told) {
        if (!logged.contains(t)) {
          LOG.warn("{}: {}; what was listed before holds", Tables.kind(spec.text()), t);
        }
      }
      if (told.isEmpty() && !logged.isEmpty()) {
        LOG.info("{}: all is well again", spec.text());
      }
      logged = new HashSet<>(told);
      Status s = status;
      status = new Status(s.source(), s.instances(), s.changed(), told);
    }

    private List<String> told() {
      List<String> out = new ArrayList<>(wrong);
      out.addAll(refused);
      return List.copyOf(out.subList(0, Math.min(MOST_TROUBLES, out.size())));
    }
  }

  private final List<Source> open = new ArrayList<>();

  /// @param env where `api_key_env` looks
  Discoveries(List<SourceSpec> specs, Map<String, String> env, FleetKeeper keeper, Ticker ticker) {
    specs.forEach(s -> all.put(s, new Following(s, env, keeper, ticker)));
  }

  /// Opens all sources.
  void start() {
    all.forEach((spec, following) -> {
      Source s = open(spec, following);
      open.add(s);
      s.start(following);
    });
  }

  private static Source open(SourceSpec spec, Following f) {
    return switch (spec) {
      case SourceSpec.Folder folder -> Sources.open(folder, f::known);
      case SourceSpec.Dns dns -> Sources.open(dns);
      case SourceSpec.Kubernetes pods -> KubernetesSource.open(pods, f::known);
    };
  }

  List<Status> statuses() {
    return all.values().stream().map(f -> f.status).toList();
  }

  @Override
  public void close() {
    open.forEach(Source::close);
  }
}
