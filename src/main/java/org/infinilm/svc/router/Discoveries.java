package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.discovery.Found;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.discovery.Sources;
import org.infinilm.svc.kubernetes.KubernetesSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sources of instances beside the registry: each tells the keeper what it lists, in a table of
/// its own. Thread-safe.
final class Discoveries implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Discoveries.class);
  private static final int MOST_TROUBLES = 20;

  private final Map<SourceSpec, Following> all = new LinkedHashMap<>();

  /// One source and what it said last; written on the source's thread.
  private static final class Following implements Source.Listener {
    private final SourceSpec spec;
    private final Map<String, String> env;
    private final FleetKeeper keeper;
    private final SourceBoard.Track track;
    private boolean heard;
    private List<Known> listed = List.of();
    private List<String> refused = List.of();
    private List<String> wrong = List.of();
    private Set<String> logged = Set.of();

    Following(SourceSpec spec, Map<String, String> env, FleetKeeper keeper) {
      this.spec = spec;
      this.env = env;
      this.keeper = keeper;
      this.track = keeper.sources().track(spec.text(), Tables.kind(spec.text()));
    }

    private Known known(Found f) throws ConfigException {
      return StaticServices.found(f, spec.text(), env);
    }

    @Override
    public void found(List<Found> found) {
      Map<String, Known> next = new LinkedHashMap<>();
      Set<String> cannot = new LinkedHashSet<>();
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
      refused = List.copyOf(cannot);
      List<Known> now = List.copyOf(next.values());
      boolean changed = !heard || !now.equals(listed);
      if (changed) {
        heard = true;
        LOG.info("{} lists {} instances", spec.text(), now.size());
        listed = now;
        keeper.tell(new FleetKeeper.Report.Table(spec.text(), now, List.of()));
      }
      track.listed(now.size(), changed, told());
    }

    @Override
    public void troubles(List<String> troubles) {
      wrong = List.copyOf(troubles);
      List<String> told = told();
      for (String t : told) {
        if (!logged.contains(t)) {
          LOG.warn("{}: {}{}", Tables.kind(spec.text()), t, held());
        }
      }
      if (told.isEmpty() && !logged.isEmpty()) {
        LOG.info("{}: all is well again", spec.text());
      }
      logged = new HashSet<>(told);
      track.troubles(told);
    }

    private String held() {
      return listed.isEmpty() ? "" : "; this takes out none of the " + listed.size() + " it lists";
    }

    private List<String> told() {
      return Stream.concat(wrong.stream(), refused.stream())
          .distinct()
          .limit(MOST_TROUBLES)
          .toList();
    }
  }

  private final List<Source> open = new ArrayList<>();

  /// @param env where `api_key_env` looks
  Discoveries(List<SourceSpec> specs, Map<String, String> env, FleetKeeper keeper) {
    specs.forEach(s -> all.put(s, new Following(s, env, keeper)));
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

  @Override
  public void close() {
    open.forEach(Source::close);
  }
}
