package org.infinilm.svc.router;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.PeerBoard;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The other routers over the same table: says about each second what this one has and wants, hears
/// what they said, and puts this one's part into force. Requests only read that part; a board that
/// is away costs none of them anything. Two threads of its own.
final class Siblings implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Siblings.class);

  /// How often something is said, where there is little to say.
  private static final Duration EVERY = Duration.ofSeconds(1);

  /// How often others are listened to where that costs no round trip, and parts are set.
  private static final Duration LOOK = Duration.ofMillis(200);

  /// Who wants more than its part says so that soon.
  private static final Duration SOONEST = Duration.ofMillis(250);

  private static final Duration LEARNED_EVERY = Duration.ofSeconds(5);

  /// Without a word for so long, what a sibling said of its load does not count.
  static final Duration FRESH = Duration.ofSeconds(6);

  /// So long a sibling is reckoned with that cannot be heard, while it may live.
  static final Duration KEPT = Duration.ofMinutes(10);

  /// How long the same router is first where there is not enough for all.
  private static final Duration TURN = Duration.ofSeconds(2);

  /// How often what others learned counts a little less.
  private static final Duration FADE = Duration.ofSeconds(30);

  private static final Duration NO_BOARD = Duration.ofSeconds(30);
  private static final Duration LEAVING = Duration.ofSeconds(1);

  /// What one router writes in a second on average.
  private static final int BYTES_A_SECOND = 8 << 10;

  /// A note above this is not written.
  private static final int MOST_BYTES = 384 << 10;

  /// What is shared, beside the load itself.
  interface Known {
    /// What this router has learned by itself, as a note; null for nothing.
    @Nullable Map<String, Object> learned();

    /// What siblings have learned by themselves, by run.
    void told(Map<String, Lesson> lessons);
  }

  /// @param heardNanos when it was said, on the ticker's clock
  record Lesson(Map<String, Object> learned, long heardNanos) {}

  /// How it stands, for people.
  ///
  /// @param routers that share, this one included
  /// @param heard of how many of the others lately
  /// @param since when that number last changed
  /// @param ageSeconds since the board last answered; negative when it never did
  record Status(int routers, int heard, Instant since, double ageSeconds) {
    /// For `/stats`.
    Map<String, Object> told() {
      Map<String, Object> m = new HashMap<>();
      m.put("known", routers);
      m.put("heard_of", heard);
      m.put("since", since.truncatedTo(ChronoUnit.SECONDS).toString());
      m.put("age_seconds", ageSeconds < 0 ? null : Math.round(ageSeconds * 10) / 10.0);
      return m;
    }
  }

  private final PeerBoard board;
  private final String run;
  private final Parts parts;
  private final Known known;
  private final Ticker ticker;
  private final Map<String, Sibling> others = new ConcurrentHashMap<>();
  private final Map<String, Lesson> lessons = new ConcurrentHashMap<>();
  private final Semaphore kicks = new Semaphore(0);
  private final Semaphore words = new Semaphore(0);
  private final Thread talker;
  private final Thread setter;
  private volatile long turn;
  private volatile boolean leaving;
  private volatile boolean wantsMore;
  private volatile long answeredNanos;
  private volatile boolean answered;
  private long turnNanos;

  /// Since when the board does not answer; the least there is while it does.
  private long unheardNanos = Long.MIN_VALUE;

  private boolean toldUnheard;
  private int told = 1;
  private volatile Instant since;

  /// @param run the name of this router
  /// @param parts puts the part of this router into force
  Siblings(PeerBoard board, String run, Parts parts, Known known, Ticker ticker) {
    this.board = board;
    this.run = run;
    this.parts = parts;
    this.known = known;
    this.ticker = ticker;
    this.turnNanos = ticker.nanos();
    this.since = ticker.now();
    this.talker = Thread.ofVirtual().name("siblings").unstarted(this::talk);
    this.setter = Thread.ofVirtual().name("shares").unstarted(this::set);
  }

  void start() {
    talker.start();
    setter.start();
  }

  /// Something waits for more than this router's part. On any thread; costs next to nothing.
  void wanted() {
    if (!others.isEmpty() && kicks.availablePermits() == 0) {
      kicks.release();
    }
  }

  boolean any() {
    return !others.isEmpty();
  }

  Status status() {
    Shares s = shares();
    int heard = 0;
    for (Sibling o : s.others()) {
      heard += !o.leaving() && s.isFresh(o) ? 1 : 0;
    }
    return new Status(
        s.routers(), heard, since, answered ? (ticker.nanos() - answeredNanos) / 1e9 : -1);
  }

  /// Takes no new requests from now on: others may have its part.
  void leaving() {
    leaving = true;
    words.release();
  }

  private Shares shares() {
    return new Shares(run, List.copyOf(others.values()), turn, ticker.nanos(), FRESH.toNanos());
  }

  private void set() {
    try {
      while (true) {
        kicks.tryAcquire(LOOK.toMillis(), TimeUnit.MILLISECONDS);
        kicks.drainPermits();
        Endless.step("the parts of routers", this::setOnce);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void setOnce() {
    long now = ticker.nanos();
    others.values().removeIf(o -> now - o.heardNanos() > KEPT.toNanos());
    long seen = turn;
    for (Sibling o : others.values()) {
      seen = Math.max(seen, o.turn());
    }
    if (seen != turn) {
      turnNanos = now;
    } else if (now - turnNanos >= TURN.toNanos()) {
      seen++;
      turnNanos = now;
    }
    turn = seen;
    Shares s = shares();
    if (s.routers() != told) {
      told = s.routers();
      since = ticker.now();
      LOG.info(
          told == 1 ? "no other router shares the instances" : "{} routers share the instances",
          told);
    }
    boolean more = parts.set(s);
    if (more && !wantsMore) {
      wantsMore = true;
      words.release();
    }
  }

  /// What the talker has still to say, and when.
  private static final class Due {
    long saidNanos;
    long nextNanos;
    long learnedNanos;
    Map<String, Object> keys = Map.of();
    long words;

    /// Until when those that a board does not name may not have spoken there yet.
    long lenientNanos;

    long taughtNanos;
    boolean taught;
  }

  private void talk() {
    Due due = new Due();
    due.learnedNanos = ticker.nanos();
    due.taughtNanos = ticker.nanos();
    due.lenientNanos = ticker.nanos();
    due.nextNanos = ticker.nanos();
    due.saidNanos = ticker.nanos() - EVERY.toNanos();
    String since = "";
    try {
      while (true) {
        Duration pause = LOOK;
        try {
          since = exchange(due, since);
          heardAgain();
          if (since.isEmpty()) {
            pause = NO_BOARD;
          }
        } catch (IOException e) {
          unheard(e);
          since = "";
          pause = EVERY;
        } catch (RuntimeException | Error e) {
          Endless.note("meeting other routers", e);
          since = "";
          pause = EVERY;
        }
        Endless.step("learning from other routers", () -> fade(due));
        words.tryAcquire(pause.toMillis(), TimeUnit.MILLISECONDS);
        words.drainPermits();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void heardAgain() {
    if (toldUnheard) {
      LOG.info("routers' notes are exchanged again");
    }
    toldUnheard = false;
    unheardNanos = Long.MIN_VALUE;
  }

  /// A refusal that stays is none that the table's follower could speak of.
  private void unheard(IOException e) {
    long now = ticker.nanos();
    if (unheardNanos == Long.MIN_VALUE) {
      unheardNanos = now;
    }
    if (!toldUnheard && now - unheardNanos >= PeerBoard.LEASE.toNanos()) {
      toldUnheard = true;
      LOG.warn(
          "routers' notes have not been exchanged for {} s: {}; this router reckons with {} others",
          PeerBoard.LEASE.toSeconds(),
          e.getMessage(),
          others.size());
    } else {
      LOG.debug("routers' notes: {}", e.getMessage());
    }
  }

  /// Says what is due and takes over what others said; nothing when neither is.
  ///
  /// @return the board's version; empty where there is no board
  private String exchange(Due due, String since) throws IOException, InterruptedException {
    long now = ticker.nanos();
    boolean soon = wantsMore && now - due.saidNanos >= SOONEST.toNanos();
    boolean speaks = since.isEmpty() || now - due.nextNanos >= 0 || soon || leaving;
    if (!speaks && !board.isNear()) {
      return since;
    }
    Map<String, Map<String, Object>> notes = new HashMap<>();
    if (speaks) {
      wantsMore = false;
      due.saidNanos = now;
      notes.put(Sibling.SEATS, Sibling.note(turn, leaving, parts.claims(), ++due.words));
      Map<String, Object> keys = Sibling.keysNote(parts.asks());
      if (since.isEmpty() || !keys.equals(due.keys)) {
        due.keys = keys;
        notes.put(Sibling.KEYS, keys);
      }
      boolean teaches = since.isEmpty() || now - due.learnedNanos >= 0;
      Map<String, Object> learned = teaches ? known.learned() : null;
      if (learned != null) {
        notes.put(Sibling.LEARNED, learned);
      }
      pace(due, notes, now);
    }
    PeerBoard.Answer a = board.exchange(run, notes, since);
    if (a.isNone()) {
      others.clear();
      return "";
    }
    if (speaks) {
      parts.said();
    }
    answeredNanos = ticker.nanos();
    answered = true;
    boolean another = !board(a.version()).equals(board(since));
    if (another) {
      due.lenientNanos = answeredNanos + PeerBoard.LEASE.toNanos();
    }
    take(a, answeredNanos - due.lenientNanos >= 0, due);
    return a.version();
  }

  private static String board(String version) {
    return version.substring(0, Math.max(0, version.lastIndexOf('-')));
  }

  /// However much there is to say, so much is written in a second.
  private static void pace(Due due, Map<String, Map<String, Object>> notes, long now) {
    long bytes = 0;
    for (String kind : List.copyOf(notes.keySet())) {
      int size = Json.bytes(notes.getOrDefault(kind, Map.of())).length;
      if (size > MOST_BYTES) {
        notes.remove(kind);
      } else if (kind.equals(Sibling.LEARNED)) {
        long pause = TimeUnit.SECONDS.toNanos(1) * size / BYTES_A_SECOND;
        due.learnedNanos = now + Math.max(LEARNED_EVERY.toNanos(), pause);
      } else {
        bytes += size;
      }
    }
    long pause = TimeUnit.SECONDS.toNanos(1) * bytes / BYTES_A_SECOND;
    due.nextNanos = now + Math.max(EVERY.toNanos(), pause);
  }

  /// @param whole whether who is not named is gone
  private void take(PeerBoard.Answer a, boolean whole, Due due) {
    long now = ticker.nanos();
    boolean news = whole && others.keySet().retainAll(a.live());
    for (String live : a.live()) {
      if (!live.equals(run) && !others.containsKey(live)) {
        others.put(live, Sibling.unknown(live, now));
        news = true;
      }
    }
    boolean learned = false;
    for (PeerBoard.Note n : a.notes()) {
      Sibling o = others.get(n.run());
      if (o == null) {
        continue;
      }
      if (n.kind().equals(Sibling.LEARNED)) {
        lessons.put(n.run(), new Lesson(n.value(), now));
        learned = true;
      } else {
        others.put(n.run(), o.told(n.kind(), n.value(), now));
        news = true;
      }
    }
    if (learned) {
      due.taughtNanos = now - FADE.toNanos();
    }
    if (news) {
      kicks.release();
    }
  }

  /// What others learned is kept for a while when they are gone, and counts less and less.
  private void fade(Due due) {
    long now = ticker.nanos();
    if (now - due.taughtNanos >= FADE.toNanos()) {
      lessons.values().removeIf(l -> now - l.heardNanos() > KEPT.toNanos());
      if (!lessons.isEmpty() || due.taught) {
        known.told(Map.copyOf(lessons));
      }
      due.taught = !lessons.isEmpty();
      due.taughtNanos = now;
    }
  }

  /// What is shared of the load, and what comes of it.
  interface Parts {
    /// What this router has at instances now, and wants; by [Sibling#id].
    Map<String, Sibling.Claim> claims();

    /// What was asked for with each key that has limits, likewise.
    Map<String, Sibling.Ask> asks();

    /// The others have what [#claims] gave last.
    void said();

    /// Puts this router's part into force.
    ///
    /// @return whether it wants more than that
    boolean set(Shares shares);
  }

  @Override
  public void close() {
    talker.interrupt();
    setter.interrupt();
    Thread farewell =
        Thread.ofVirtual()
            .name("farewell")
            .start(() -> {
              try {
                talker.join(LEAVING);
                board.leave(run);
              } catch (IOException e) {
                LOG.debug("routers' notes: {}", e.getMessage());
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    try {
      farewell.join(LEAVING);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// The names of those that are known, for a test.
  List<String> runs() {
    return new ArrayList<>(others.keySet());
  }
}
