package org.infinilm.svc.router;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.files.Patience;
import org.infinilm.svc.files.Seen;
import org.infinilm.svc.files.Stamp;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Watches the router's files, reads them again when they change or when it is told to, and hands
/// on what they say, or says why it is not taken over. One thread of its own.
/*
 * A file counts as changed when its time, size or identity has and it says something else, and is read once it has
 * said the same for a look, whoever writes it again and again: one that renames a new file over it shows for a moment no file at all. One that is written in place may be a copy
 * that stalls, whatever its size: it must stand still for longer, and it never takes the last key or instance away by
 * saying nothing. What cannot be read changes nothing, and is read again every five seconds: why may lie in another
 * file that it names. One that changes all the while is named.
 */
final class Reloader implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Reloader.class);
  static final Duration LOOK = Duration.ofMillis(250);

  /// Looks for which a file may be away before that is said.
  private static final int MOST_ABSENT = 8;

  /// Looks for which a file must stand still that is written in place.
  static final int MOST_STALLED = (int) Patience.STILL_IN_PLACE.dividedBy(LOOK);

  /// Looks after which a file is named that changes all the while and is not read.
  static final int LATE = (int) Patience.LATE.dividedBy(LOOK);

  /// Looks after which files that were refused are read again.
  static final int AGAIN = (int) Patience.AGAIN.dividedBy(LOOK);

  private static final int MOST_BYTES = 16 << 20;

  /// How it stands with the files.
  ///
  /// @param error why the files of now are not in force, or null
  /// @param restart settings that differ from what is in force and need a restart
  record Status(Instant loaded, @Nullable String error, List<String> restart) {}

  private final Sources.Read started;
  private final Consumer<Sources.Read> taken;
  private final Happenings happenings;
  private final Ticker ticker;
  private final Thread thread;
  private volatile boolean stop;
  private final AtomicBoolean asked = new AtomicBoolean();
  private volatile Status status;

  /// The files as they were when they were read, and as they were at the last look. Nothing was
  /// read at first: they may have changed since the start read them.
  private Map<Path, Seen<String>> read = Map.of();

  private Map<Path, Seen<String>> seen = Map.of();
  private int absent;

  /// Looks for which they have said the same.
  private int still;

  /// Looks since they say something else than what was read.
  private int waited;

  /// Looks since they were refused.
  private int refused;

  /// The files and their stamps once there is nothing more to wait for but a change; else null.
  private @Nullable Still nothingNew;

  private Sources.Read current;

  /// Names the files that count: also one that the last reading named and could not use.
  private Sources wanted;

  /// @param started what the router was started with
  /// @param taken puts into force what was read
  Reloader(
      Sources.Read started, Consumer<Sources.Read> taken, Happenings happenings, Ticker ticker) {
    this.started = started;
    this.current = started;
    this.wanted = started.of();
    this.taken = taken;
    this.happenings = happenings;
    this.ticker = ticker;
    this.status = new Status(ticker.now(), null, List.of());
    this.thread = Thread.ofPlatform().daemon().name("settings").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Has the files read now, changed or not. Thread-safe.
  void ask() {
    asked.set(true);
    LockSupport.unpark(thread);
  }

  Status status() {
    return status;
  }

  private Map<Path, Seen<String>> find() {
    Map<Path, Seen<String>> out = new HashMap<>();
    wanted
        .files()
        .forEach(f -> out.put(f, Seen.bytes(f, seen.get(f), MOST_BYTES, UnaryOperator.identity())));
    return out;
  }

  private static boolean isSame(Map<Path, Seen<String>> some, Map<Path, Seen<String>> others) {
    return some.keySet().equals(others.keySet())
        && some.entrySet().stream().allMatch(e -> isSame(e.getValue(), others.get(e.getKey())));
  }

  private static boolean isSame(Seen<String> one, @Nullable Seen<String> other) {
    return other != null && one.saysWhat(other);
  }

  private void run() {
    try {
      while (!stop) {
        LockSupport.parkNanos(LOOK.toNanos());
        Endless.step("the settings", this::look);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// One look at the files, on the thread that follows them.
  void look() {
    boolean now = asked.getAndSet(false);
    Still nothing = nothingNew;
    boolean due = status.error() != null && ++refused >= AGAIN;
    if (!now && !due && nothing != null && nothing.holds()) {
      return;
    }
    nothingNew = null;
    Map<Path, Seen<String>> last = seen;
    seen = find();
    absent = seen.values().stream().anyMatch(s -> s.stamp() == null) ? absent + 1 : 0;
    still = isSame(seen, last) ? still + 1 : 0;
    boolean news = !isSame(seen, read);
    if (!news) {
      read = seen;
    }
    boolean done =
        still >= (isInPlace() ? MOST_STALLED : 1) && (absent == 0 || absent >= MOST_ABSENT);
    waited = news ? waited + 1 : 0;
    if (now || (done && (news || due))) {
      refused = 0;
      boolean first = !now && read.isEmpty();
      Map<Path, Seen<String>> before = read;
      read = seen;
      if (reload(first, now || still >= MOST_STALLED, !now && !news)) {
        waited = 0;
      } else {
        read = before;
      }
    } else if (done && still >= MOST_STALLED && absent == 0) {
      nothingNew = new Still(seen);
    }
    if (waited == LATE + 1) {
      refuse(
          seen.entrySet().stream()
              .filter(e -> !isSame(e.getValue(), read.get(e.getKey())))
              .map(e -> e.getKey() + Patience.CHANGES)
              .collect(Collectors.joining("\n")));
    }
  }

  private boolean isInPlace() {
    return seen.entrySet().stream()
        .anyMatch(e -> {
          Stamp now = e.getValue().stamp();
          Seen<String> before = read.get(e.getKey());
          return now != null && before != null && now.isWrittenInPlace(before.stamp());
        });
  }

  /// Files as they were at a look, beside each other: most looks find them so, and are to cost a
  /// busy router nothing.
  private static final class Still {
    private final List<Path> files;
    private final List<@Nullable Stamp> stamps = new ArrayList<>();

    Still(Map<Path, Seen<String>> seen) {
      this.files = List.copyOf(seen.keySet());
      seen.values().forEach(s -> stamps.add(s.stamp()));
    }

    boolean holds() {
      for (int i = 0; i < files.size(); i++) {
        if (!Objects.equals(stamps.get(i), Stamp.of(files.get(i)))) {
          return false;
        }
      }
      return true;
    }
  }

  private Sources.Read readAnew() throws ConfigException {
    Wrongs wrong = new Wrongs();
    Sources anew = current.of().anew(wrong);
    if (wrong.none()) {
      wanted = anew;
    }
    Sources.Read next = wrong.<Sources.@Nullable Read>of(anew::read, null);
    wrong.end();
    return Objects.requireNonNull(next);
  }

  /// @param again whether the files are news only where they say something else than those in force
  /// @param whole whether files that do not name all instances and keys that are in force may be
  ///   believed already: the first half of a new file does so too
  /// @param tried whether they are as they were when they were refused
  /// @return whether they were, or were refused
  private boolean reload(boolean again, boolean whole, boolean tried) {
    try {
      for (Path file : seen.keySet()) {
        check(file);
      }
      Sources.Read next = readAnew();
      refuseGuesses(next.of().config().warnings());
      refuseOpening(next);
      if (!whole && takesAway(next)) {
        return false;
      }
      List<String> changed = changes(next);
      List<String> restart =
          Settings.restartFor(next.of().config().changedFrom(started.of().config()));
      if (again && changed.isEmpty() && status.error() == null) {
        return true;
      }
      Timeouts.warnings(next.of().config()).forEach(LOG::warn);
      taken.accept(next);
      current = next;
      String said = said(changed, restart);
      LOG.info("settings were read anew{}", said.isEmpty() ? "" : ": " + said);
      happenings.settings("loaded", said);
      status = new Status(ticker.now(), null, restart);
    } catch (ConfigException e) {
      String why = String.valueOf(e.getMessage());
      if (!tried || !why.equals(status.error())) {
        refuse(why);
      }
    } catch (RuntimeException e) {
      String why = "they cannot be read: " + e;
      if (!tried || !why.equals(status.error())) {
        Endless.note("reading settings", e);
        refuse(why);
      }
    }
    if (!seen.keySet().equals(wanted.files())) {
      // another file than before, which may change between its reading and the next look
      read = Map.of();
    }
    return true;
  }

  private boolean takesAway(Sources.Read next) {
    return !names(next).containsAll(names(current)) || !hashes(next).containsAll(hashes(current));
  }

  private static Set<String> names(Sources.Read of) {
    return of.fixed().stream().map(Known::name).collect(Collectors.toSet());
  }

  private static Set<String> hashes(Sources.Read of) {
    return of.config().keys().stream().map(ClientKey::hash).collect(Collectors.toSet());
  }

  private void refuse(String why) {
    String line = why.replace("\n", "; ");
    LOG.error("settings stay as they were: {}", line);
    happenings.settings("refused", line);
    status = new Status(status.loaded(), why, status.restart());
  }

  /// A pipe says nothing the second time, and an empty file is what a full disk leaves: neither may
  /// open a router that has keys.
  private static void check(Path file) throws ConfigException {
    Stamp now = Stamp.of(file);
    if (now != null && !Files.isRegularFile(file)) {
      throw new ConfigException(file + ": no regular file (expected: one that can be read again)");
    }
    if (now != null && now.bytes() == 0) {
      throw new ConfigException(file + ": empty (expected: settings, or a comment)");
    }
  }

  /// What is a warning and the default at a start would change what is in force here.
  private void refuseGuesses(List<String> warnings) throws ConfigException {
    List<String> before = current.of().config().warnings();
    for (String w : warnings) {
      if (!before.contains(w)) {
        throw new ConfigException(w.replaceFirst("; using the default .*", ""));
      }
    }
  }

  /// What opens or empties the router is said, not left out: a file may be half of itself.
  private void refuseOpening(Sources.Read next) throws ConfigException {
    RouterConfig before = current.config();
    int instances = current.of().config().get(RouterConfig.INSTANCES).size();
    if (instances > 0 && next.fixed().isEmpty() && next.config().sources().isEmpty()) {
      refuseSilence(
          next,
          RouterConfig.INSTANCES,
          "no [[instance]], where "
              + instances
              + " are in force (expected: instances, or instance = [] for none)");
    }
    if (before.keys().size() > 0 && next.config().keys().isEmpty()) {
      refuseSilence(
          next,
          RouterConfig.CLIENT_KEYS,
          "no [[keys]], where "
              + before.keys().size()
              + " are in force (expected: keys, or keys = [] so that everybody may ask)");
    }
    if (before.adminToken() != null && next.config().adminToken() == null) {
      refuseSilence(
          next,
          RouterConfig.ADMIN_TOKEN,
          "no admin_token, where one is in force (expected: one, or admin_token = \"\" for none)");
    }
    if (before.loopbackNeedsToken() && !next.config().loopbackNeedsToken()) {
      refuseSilence(
          next,
          RouterConfig.LOOPBACK_NEEDS_TOKEN,
          "no loopback_needs_token, where it is true (expected: true or false)");
    }
  }

  private static void refuseSilence(Sources.Read next, Key<?> key, String why)
      throws ConfigException {
    Config config = next.of().config();
    if (config.origin(key).equals(Config.DEFAULT)) {
      throw new ConfigException(config.file().map(f -> f + ": ").orElse("") + why);
    }
  }

  private static String said(List<String> changed, List<String> restart) {
    List<String> out = new ArrayList<>();
    if (!changed.isEmpty()) {
      out.add(String.join(", ", changed));
    }
    if (!restart.isEmpty()) {
      out.add("needs a restart: " + String.join(", ", restart));
    }
    return String.join("; ", out);
  }

  private List<String> changes(Sources.Read next) {
    List<String> out = new ArrayList<>();
    next.of().config().changedFrom(current.of().config()).forEach(k -> out.add(k.name()));
    if (!next.config().keys().equals(current.config().keys())) {
      out.add("keys");
    }
    if (!next.fixed().equals(current.fixed())) {
      out.add("instances");
    }
    return out;
  }

  @Override
  public void close() {
    stop = true;
    LockSupport.unpark(thread);
  }
}
