package org.infinilm.svc.router;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
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
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.InputFile;
import org.infinilm.svc.config.InputFile.Stamp;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Watches the router's files, reads them again when they change or when it is told to, and hands
/// on what they say, or says why it is not taken over. One thread of its own.
/*
 * A file counts as changed when its time, size or identity has, and is read once it has stood still for a look:
 * one that renames a new file over it shows for a moment no file at all. One that is written in place may be a copy
 * that stalls, whatever its size: it must stand still for longer, and it never takes the last key or instance away by
 * saying nothing. What cannot be read changes nothing.
 */
final class Reloader implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Reloader.class);
  static final Duration LOOK = Duration.ofMillis(250);

  /// Looks for which a file may be away before that is said.
  private static final int MOST_ABSENT = 8;

  /// Looks for which a file must stand still that is written in place.
  static final int MOST_STALLED = (int) InputFile.STILL_IN_PLACE.dividedBy(LOOK);

  /// How it stands with the files.
  ///
  /// @param error why the files of now are not in force, or null
  /// @param restart settings that differ from what is in force and need a restart
  record Status(Instant loaded, @Nullable String error, List<String> restart) {}

  private static final Stamp ABSENT = new Stamp(0, -1, null);

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
  private Map<Path, Stamp> read = Map.of();

  private Map<Path, Stamp> seen = Map.of();
  private int absent;

  /// Looks since something changed.
  private int still;

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

  private static Stamp stamp(Path file) {
    try {
      return Stamp.of(Files.readAttributes(file, BasicFileAttributes.class));
    } catch (IOException absent) {
      return ABSENT;
    }
  }

  private Map<Path, Stamp> stamps() {
    Map<Path, Stamp> out = new HashMap<>();
    wanted.files().forEach(f -> out.put(f, stamp(f)));
    return out;
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
    if (!now && nothing != null && nothing.holds()) {
      return;
    }
    nothingNew = null;
    Map<Path, Stamp> last = seen;
    seen = stamps();
    absent = seen.containsValue(ABSENT) ? absent + 1 : 0;
    still = seen.equals(last) ? still + 1 : 0;
    boolean inPlace =
        seen.entrySet().stream().anyMatch(e -> e.getValue().isWrittenInPlace(read.get(e.getKey())));
    boolean done = still >= (inPlace ? MOST_STALLED : 1) && (absent == 0 || absent >= MOST_ABSENT);
    if (now || (done && !seen.equals(read))) {
      boolean again = !now && read.isEmpty();
      Map<Path, Stamp> before = read;
      read = seen;
      if (!reload(again, now || still >= MOST_STALLED)) {
        read = before;
      }
    } else if (done && still >= MOST_STALLED && absent == 0) {
      nothingNew = new Still(seen);
    }
  }

  /// Files as they were at a look, beside each other: most looks find them so, and are to cost a
  /// busy router nothing.
  private static final class Still {
    private final List<Path> files;
    private final List<Stamp> stamps;

    Still(Map<Path, Stamp> seen) {
      this.files = List.copyOf(seen.keySet());
      this.stamps = List.copyOf(seen.values());
    }

    boolean holds() {
      for (int i = 0; i < files.size(); i++) {
        if (!stamps.get(i).equals(stamp(files.get(i)))) {
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
  /// @return whether they were, or were refused
  private boolean reload(boolean again, boolean whole) {
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
      refuse(String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      Endless.note("reading settings", e);
      refuse("they cannot be read: " + e);
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
    Stamp now = stamp(file);
    if (!now.equals(ABSENT) && !Files.isRegularFile(file)) {
      throw new ConfigException(file + ": no regular file (expected: one that can be read again)");
    }
    if (now.bytes() == 0) {
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
