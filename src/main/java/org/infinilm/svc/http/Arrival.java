package org.infinilm.svc.http;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// One request's body that arrives otherwise than over a [ProxyServer]'s connection, under the same
/// limits, in the same words: its size, its share of the memory of all, and its progress
/// (docs/decisions/061, 147). Confined to its loop but for what [Room] says.
///
/// Time is counted in ticks of the loop, of [#TICK_MILLIS], so that a pause of this process is
/// nobody's time.
public final class Arrival implements Room {
  /// Milliseconds between two ticks.
  public static final long TICK_MILLIS = LoopState.TICK_MILLIS;

  /// Why a body is not taken.
  ///
  /// @param status of the answer
  /// @param why words for the client
  public record Wrong(int status, String why) {}

  /// What all bodies share. Thread-safe.
  public static final class Limits {
    private final ProxyServer.Limits sizes;
    private final ProxyServer.Times times;
    private final ClientClock.Limits ticks;
    private final MemoryBudget memory;

    /// @param sizes of each body and of all; limits of connections are not looked at
    /// @param times of them those for bodies count
    public Limits(ProxyServer.Limits sizes, ProxyServer.Times times) {
      this.sizes = sizes;
      this.times = times;
      this.ticks = ClientClock.Limits.of(times);
      this.memory = new MemoryBudget(sizes.maxBufferedBytes());
    }

    /// Bytes of all bodies that are held now.
    public long heldBytes() {
      return memory.held();
    }

    /// Bodies that were given up for others.
    public long givenUp() {
      return memory.givenUp();
    }
  }

  private final Limits limits;
  private final int copies;
  private final MemoryBudget.Share share;
  private @Nullable ClientClock clock;
  private long bytes;

  /// @param copies how often each byte is held until the body is whole
  /// @param giveUp has the request answered with [#memoryFull], to make room for others while its
  ///   body arrives; called on any thread
  public Arrival(Limits limits, int copies, Runnable giveUp) {
    this.limits = limits;
    this.copies = copies;
    this.share = limits.memory.new Share(giveUp);
  }

  /// Ticks of a time, at least one.
  public static long ticks(Duration limit) {
    return LoopState.ticks(limit);
  }

  /// A head has come, after which a body begins.
  ///
  /// @param length of the body as the head says, in bytes; negative when it does not
  /// @return why the body need not come; null to have it come
  public @Nullable Wrong begins(long length, long now) {
    if (length > limits.sizes.maxBodyBytes()) {
      return tooLarge();
    }
    if (!limits.memory.admits(copies * Math.max(0, length))) {
      return memoryFull();
    }
    ClientClock c = new ClientClock(limits.ticks, now);
    c.enter(ClientClock.Phase.BODY, now);
    clock = c;
    share.note(0, true);
    return null;
  }

  /// A piece has come.
  ///
  /// @return why no more is taken; null to have more come
  public @Nullable Wrong piece(int more, long now) {
    ClientClock c = clock;
    if (c != null) {
      c.read(more, now);
    }
    if (bytes + more > limits.sizes.maxBodyBytes()) {
      return tooLarge();
    }
    bytes += more;
    return share.body(copies * bytes) ? null : memoryFull();
  }

  /// The body is whole: it is worked on, and not given up for others any more.
  public void whole() {
    clock = null;
    share.note(0, false);
  }

  /// At a tick: why a body that has not come so far is not waited for; null while it keeps its
  /// limits.
  public @Nullable Wrong tick(long now) {
    ClientClock c = clock;
    if (c == null) {
      return null;
    }
    share.note(now - c.since(), true);
    return switch (c.tick(now, 0, 0)) {
      case BODY_PAUSED -> new Wrong(408, paused(limits.times));
      case BODY_SLOW -> new Wrong(408, slow(limits.times));
      default -> null;
    };
  }

  /// Nothing of it is held any more.
  public void close() {
    clock = null;
    share.close();
  }

  @Override
  public boolean take(long more) {
    return share.take(more);
  }

  @Override
  public void giveBack(long less) {
    share.giveBack(less);
  }

  private Wrong tooLarge() {
    return new Wrong(413, tooLarge(limits.sizes.maxBodyBytes()));
  }

  /// Other bodies fill the memory that there is for all.
  public Wrong memoryFull() {
    return new Wrong(503, memoryFull(limits.memory));
  }

  static String tooLarge(long mostBytes) {
    return "request body too large (expected: at most " + mostBytes + " bytes)";
  }

  static String memoryFull(MemoryBudget of) {
    return "too many request and answer bytes in memory (expected: at most "
        + of.limit()
        + "); try again";
  }

  static String paused(ProxyServer.Times t) {
    return "no byte of the request's body for " + t.bodyPause().toSeconds() + " s";
  }

  static String slow(ProxyServer.Times t) {
    return "request body too slow (expected: at least " + t.minBodyRate() + " bytes a second)";
  }
}
