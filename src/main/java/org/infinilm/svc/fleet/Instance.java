package org.infinilm.svc.fleet;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One inference server as a router sees it at one moment. Immutable; equal when all that it says
/// is equal. What did not change between two fleets is the same object in both.
public final class Instance {
  public static final long UNKNOWN = -1;

  /// The tier of an instance that names none: the first.
  public static final int FIRST_TIER = 1;

  /// Whether an instance may get requests.
  public enum State {
    ROUTABLE,
    /// Failed its health checks or its lease ran out; tried again only when a model has no other.
    EJECTED,
    /// Taken out of service on purpose: gets nothing new.
    DRAINING,
    /// Was out; the next request that would go to it decides whether it is back.
    TRIAL,
    /// Runs on demand, and not now: a request has it started.
    ASLEEP,
    /// Runs on demand, and is being started.
    WAKING;

    /// Whether it serves once it has been started.
    public boolean sleeps() {
      return this == ASLEEP || this == WAKING;
    }
  }

  private final String name;
  private final String host;
  private final int port;
  private final String url;
  private final List<String> models;
  private final @Nullable CacheType cacheType;
  private final long capacityTokens;
  private final int weight;
  private final State state;
  private final int slot;
  private final Map<String, Object> metadata;
  private final int tier;
  private final int seats;
  private final Map<String, ModelState> notLoaded;
  private final long nameHash;
  private final boolean twin;

  /// An instance of the first tier that takes any number of requests at once.
  ///
  /// @param name the registry entry's name, `...-server`; unique in a fleet
  /// @param host as registered
  /// @param port of the OpenAI routes
  /// @param url base URL without a trailing slash
  /// @param models names it serves; requests that name another never come here
  /// @param cacheType its KV-cache design, or null when it did not say
  /// @param capacityTokens prompt and output tokens that fit one request; [#UNKNOWN] fits all
  /// @param weight share of the traffic, at least 0
  /// @param state whether it may get requests
  /// @param slot index of its counters, the same for one incarnation in every snapshot
  /// @param metadata what it registered; plain JSON values
  public Instance(
      String name,
      String host,
      int port,
      String url,
      List<String> models,
      @Nullable CacheType cacheType,
      long capacityTokens,
      int weight,
      State state,
      int slot,
      Map<String, Object> metadata) {
    this(
        name,
        host,
        port,
        url,
        models,
        cacheType,
        capacityTokens,
        weight,
        state,
        slot,
        metadata,
        FIRST_TIER,
        0,
        Map.of());
  }

  /// @param tier lower ones are asked first
  /// @param seats requests it takes at once, 0 for any number
  /// @param notLoaded those of its models that it has not in memory
  public Instance(
      String name,
      String host,
      int port,
      String url,
      List<String> models,
      @Nullable CacheType cacheType,
      long capacityTokens,
      int weight,
      State state,
      int slot,
      Map<String, Object> metadata,
      int tier,
      int seats,
      Map<String, ModelState> notLoaded) {
    if (weight < 0) {
      throw new IllegalArgumentException("weight: " + weight + " (expected: 0 or more)");
    }
    if (seats < 0) {
      throw new IllegalArgumentException("seats: " + seats + " (expected: 0 or more)");
    }
    this.name = name;
    this.host = host;
    this.port = port;
    this.url = url;
    this.models = List.copyOf(models);
    this.cacheType = cacheType;
    this.capacityTokens = capacityTokens;
    this.weight = weight;
    this.state = state;
    this.slot = slot;
    this.metadata = metadata;
    this.tier = tier;
    this.seats = seats;
    this.notLoaded = Map.copyOf(notLoaded);
    this.nameHash = Hash.mix(Hash.of(name));
    this.twin = false;
  }

  private Instance(Instance of) {
    this.name = of.name;
    this.host = of.host;
    this.port = of.port;
    this.url = of.url;
    this.models = of.models;
    this.cacheType = of.cacheType;
    this.capacityTokens = of.capacityTokens;
    this.weight = of.weight;
    this.state = of.state;
    this.slot = of.slot;
    this.metadata = of.metadata;
    this.tier = of.tier;
    this.seats = of.seats;
    this.notLoaded = of.notLoaded;
    this.nameHash = of.nameHash;
    this.twin = true;
  }

  /// The same under a name for which another instance stands: one server under two names is asked
  /// under one of them.
  public Instance asTwin() {
    return new Instance(this);
  }

  /// Whether it is a second name of another instance, and is never asked.
  public boolean twin() {
    return twin;
  }

  public String name() {
    return name;
  }

  public String host() {
    return host;
  }

  public int port() {
    return port;
  }

  public String url() {
    return url;
  }

  public List<String> models() {
    return models;
  }

  public @Nullable CacheType cacheType() {
    return cacheType;
  }

  public long capacityTokens() {
    return capacityTokens;
  }

  public int weight() {
    return weight;
  }

  public State state() {
    return state;
  }

  public int slot() {
    return slot;
  }

  public Map<String, Object> metadata() {
    return metadata;
  }

  public int tier() {
    return tier;
  }

  public int seats() {
    return seats;
  }

  /// Whether it has a model in memory: yes, unless it said otherwise.
  public ModelState modelState(String model) {
    return notLoaded.getOrDefault(model, ModelState.LOADED);
  }

  /// Those of its models that it has not in memory.
  public Map<String, ModelState> notLoaded() {
    return notLoaded;
  }

  /// Hash of the name, for rendezvous hashing; the same in every process.
  public long nameHash() {
    return nameHash;
  }

  public boolean fits(long tokens) {
    return capacityTokens == UNKNOWN || tokens <= capacityTokens;
  }

  public boolean serves(String model) {
    return models.contains(model);
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o == this
        || (o instanceof Instance i
            && slot == i.slot
            && state == i.state
            && twin == i.twin
            && port == i.port
            && weight == i.weight
            && tier == i.tier
            && seats == i.seats
            && capacityTokens == i.capacityTokens
            && cacheType == i.cacheType
            && name.equals(i.name)
            && host.equals(i.host)
            && url.equals(i.url)
            && models.equals(i.models)
            && notLoaded.equals(i.notLoaded)
            && metadata.equals(i.metadata));
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, slot, state);
  }

  @Override
  public String toString() {
    return name + " (slot " + slot + ", " + state + ", " + url + ")";
  }
}
