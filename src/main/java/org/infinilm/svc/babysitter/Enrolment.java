package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.infinilm.svc.babysitter.Standing.Call;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.RegistryClient.Outcome;
import org.infinilm.svc.registry.Service;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps one entry of the registry as it is wanted: registers it, renews it, registers it again
/// when the registry forgot it, and tries with back-off while the registry cannot be reached. One
/// virtual thread does the calls; the methods are thread-safe and never wait for the registry,
/// except [#leave].
final class Enrolment {
  /// The calls to the registry; see [RegistryClient].
  interface Roll {
    Outcome register(Registration r) throws IOException, InterruptedException;

    Outcome renew(String name, @Nullable String status, @Nullable String incarnation)
        throws IOException, InterruptedException;

    Outcome setStatus(String name, String status, @Nullable String incarnation)
        throws IOException, InterruptedException;

    Outcome unregister(String name, @Nullable String incarnation)
        throws IOException, InterruptedException;

    /// Whether the entry of this name is at this address.
    default boolean isAt(String name, String url) throws IOException, InterruptedException {
      return false;
    }

    /// See [RegistryClient#lost].
    default long lost() {
      return 0;
    }

    static Roll of(RegistryClient client) {
      return new Roll() {
        @Override
        public boolean isAt(String name, String url) throws IOException, InterruptedException {
          Service s = client.service(name);
          return s != null && BaseUrl.same(s.url(), url);
        }

        @Override
        public long lost() {
          return client.lost();
        }

        @Override
        public Outcome register(Registration r) throws IOException, InterruptedException {
          return client.register(r);
        }

        @Override
        public Outcome renew(String name, @Nullable String status, @Nullable String incarnation)
            throws IOException, InterruptedException {
          return client.renew(name, status, incarnation);
        }

        @Override
        public Outcome setStatus(String name, String status, @Nullable String incarnation)
            throws IOException, InterruptedException {
          return client.setStatus(name, status, incarnation);
        }

        @Override
        public Outcome unregister(String name, @Nullable String incarnation)
            throws IOException, InterruptedException {
          return client.unregister(name, incarnation);
        }
      };
    }
  }

  /// Told of each call's outcome: `registered`, `renewed`, `status`, `forgotten`, `taken` or
  /// `failed`.
  @FunctionalInterface
  interface Outcomes {
    void count(String outcome);
  }

  private static final long FOREVER = Long.MAX_VALUE / 2;
  private static final Logger log = LoggerFactory.getLogger(Enrolment.class);
  private static final Duration FIRST_RETRY = Duration.ofMillis(200);
  private static final Duration SLOWEST_RETRY = Duration.ofSeconds(2);
  private static final int FAILURES_TO_SLOWEST = 10;
  private static final double JITTER = 0.5;

  private final String name;
  private final Roll roll;
  private final Duration heartbeat;
  private final Ticker ticker;
  private final RandomGenerator random;
  private final Outcomes outcomes;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private @Nullable Registration wanted;

  /// Written by the one thread.
  private volatile Standing standing = Standing.INITIAL;

  /// Whether an entry that serves takes the name away from a living holder.
  private volatile boolean claims = true;

  private boolean nudged;

  /// What the log last said is registered; of the one thread.
  private @Nullable Registration said;

  private volatile @Nullable String incarnation;
  private boolean left;
  private volatile boolean everTried;
  private @Nullable Thread thread;

  /// @param random spreads retries, so that a registry that comes back is not asked by all at once
  Enrolment(
      String name,
      Roll roll,
      Duration heartbeat,
      Ticker ticker,
      RandomGenerator random,
      Outcomes outcomes) {
    this.name = name;
    this.roll = roll;
    this.heartbeat = heartbeat;
    this.ticker = ticker;
    this.random = random;
    this.outcomes = outcomes;
  }

  void start() {
    thread = Background.start("enrolment-" + name, this::run);
  }

  /// A living holder of the name keeps it until [#claim].
  void yieldName() {
    claims = false;
  }

  /// From here on the entry takes the name, once.
  void claim() {
    lock.lock();
    try {
      if (!claims) {
        claims = true;
        nudged = true;
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /// The entry as it should stand in the registry from now on.
  void want(Registration r) {
    lock.lock();
    try {
      wanted = r;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// The same entry under another status; nothing when none is wanted yet.
  void wantStatus(String status) {
    change(r -> r.withStatus(status));
  }

  /// The same entry but for this; nothing when none is wanted yet.
  void change(UnaryOperator<Registration> how) {
    lock.lock();
    try {
      if (wanted != null) {
        wanted = how.apply(wanted);
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /// Whether the registry knows the entry as it is wanted.
  boolean settled() {
    Registration told = standing.told();
    return told != null && told.equals(wanted());
  }

  /// Ends the renewals and removes the entry; returns when that is done or failed, or after
  /// `timeout`.
  void leave(Duration timeout) throws InterruptedException {
    lock.lock();
    try {
      left = true;
      wanted = null;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    Thread t = thread;
    if (t == null) {
      return;
    }
    t.interrupt();
    t.join(timeout.dividedBy(2));
    if (!everTried) {
      return;
    }
    Thread last = Thread.ofVirtual().name("leave-" + name).start(this::unregister);
    if (!last.join(timeout.dividedBy(2))) {
      log.warn("{}: the registry did not take the deregistration in time", name);
    }
  }

  /// Once more where a registration may come late: it would stand for a whole lease.
  private void unregister() {
    try {
      Outcome o = roll.unregister(name, incarnation);
      if (standing.doubts() > 0 && o != Outcome.TAKEN) {
        roll.unregister(name, incarnation);
      }
      log.info(
          "{}: {}", name, o == Outcome.TAKEN ? "another has it; left as it is" : "deregistered");
    } catch (IOException e) {
      log.warn("{}: not deregistered: {}", name, BackendClient.why(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() throws InterruptedException {
    int failures = 0;
    while (!hasLeft()) {
      Registration r = wanted();
      if (r == null) {
        await(r, FOREVER);
        continue;
      }
      try {
        tell(r);
        // An answer to a question is none yet to what follows it.
        if (standing.pace() != Standing.Pace.NOW) {
          if (failures > 0) {
            log.info("{}: the registry answers again", name);
          }
          failures = 0;
        }
        await(r, pauseNanos());
      } catch (IOException e) {
        outcomes.count("failed");
        if (failures++ == 0) {
          log.warn("{}: {}; trying again until it answers", name, BackendClient.why(e));
        }
        await(r, retryNanos(failures));
      } catch (RuntimeException | Error e) {
        // whatever a registry answers: who stops here is never heard of again
        outcomes.count("failed");
        if (failures++ == 0) {
          Background.say(() -> name + ": the registry's answer cannot be taken; trying again", e);
        }
        await(r, retryNanos(failures));
      }
    }
  }

  /// One call that brings the registry nearer to what is wanted, or renews the lease.
  private void tell(Registration r) throws IOException, InterruptedException {
    Standing before = standing;
    Call call = before.next(r, claims);
    everTried = true;
    incarnation = r.incarnation();
    long lost = roll.lost();
    standing = before.sent(call);
    try {
      Outcome o = make(call);
      Standing after = before.answered(call, o);
      standing = roll.lost() == lost ? after : after.doubting(call);
      say(before, call, o);
    } catch (Client.NotConnected e) {
      if (roll.lost() == lost) {
        standing = before.unsent();
      }
      throw e;
    }
  }

  private Outcome make(Call call) throws IOException, InterruptedException {
    return switch (call) {
      case Call.Register c -> roll.register(c.entry());
      case Call.Status c -> roll.setStatus(name, c.entry().status(), c.entry().incarnation());
      case Call.Renew c -> roll.renew(name, c.status(), c.entry().incarnation());
      case Call.Ask c -> ask(c.entry());
    };
  }

  /// Whose the name is. Who had it at our address before we had it is there no more, however fresh
  /// its lease is: it was killed, and this is its next process.
  private Outcome ask(Registration r) throws IOException, InterruptedException {
    Outcome o = roll.renew(name, null, r.incarnation());
    boolean gone = o == Outcome.TAKEN && !standing.known() && roll.isAt(name, r.url());
    return gone ? Outcome.UNKNOWN : o;
  }

  private void say(Standing before, Call call, Outcome o) {
    switch (o) {
      case DONE -> {
        Registration r = call.entry();
        switch (call) {
          case Call.Register _ -> {
            outcomes.count("registered");
            if (before.doubts() == 0 || !r.equals(said)) {
              log.info("{}: registered as {} ({})", name, r.url(), r.status());
            }
            said = r;
          }
          case Call.Status _ -> {
            outcomes.count("status");
            log.info("{}: status {}", name, r.status());
          }
          case Call.Renew _ -> outcomes.count("renewed");
          case Call.Ask _ -> {}
        }
      }
      case UNKNOWN -> {
        if (!(call instanceof Call.Ask)) {
          outcomes.count("forgotten");
          log.warn("{}: the registry does not know this entry any more; registering again", name);
        }
      }
      case TAKEN -> {
        outcomes.count("taken");
        if (!before.taken()) {
          sayTaken(before.claimed(), call.entry());
        }
      }
    }
  }

  private void sayTaken(boolean claimed, Registration r) {
    if (!claimed) {
      log.warn(
          "{}: another instance serves under this name; {} takes it over when it serves",
          name,
          r.url());
    } else {
      log.error(
          "{}: ANOTHER BABYSITTER HAS REGISTERED THIS NAME: {} is out of service until that one"
              + " is gone; give one of them another name",
          name,
          r.url());
    }
  }

  /// Waits until something else is wanted than `r`, or the time is over.
  private void await(@Nullable Registration r, long nanos) throws InterruptedException {
    long end = nanos == FOREVER ? FOREVER : ticker.nanos() + nanos;
    lock.lock();
    try {
      while (!left && !nudged && Objects.equals(wanted, r) && ticker.nanos() < end) {
        changed.awaitNanos(end - ticker.nanos());
      }
      nudged = false;
    } finally {
      lock.unlock();
    }
  }

  /// Until the next call when the last one was answered.
  private long pauseNanos() {
    long beat = heartbeat.toNanos();
    return switch (standing.pace()) {
      case NOW -> 0;
      case SOON -> Math.min(beat, retryNanos(FAILURES_TO_SLOWEST));
      case HEARTBEAT -> beat;
    };
  }

  private long retryNanos(int failures) {
    long delay = FIRST_RETRY.toNanos() << Math.min(failures - 1, 10);
    long most =
        Math.min(delay, Math.min(SLOWEST_RETRY.toNanos(), Math.max(heartbeat.toNanos(), 1)));
    return Math.round(most * (1 - JITTER * random.nextDouble()));
  }

  private @Nullable Registration wanted() {
    lock.lock();
    try {
      return wanted;
    } finally {
      lock.unlock();
    }
  }

  private boolean hasLeft() {
    lock.lock();
    try {
      return left;
    } finally {
      lock.unlock();
    }
  }
}
