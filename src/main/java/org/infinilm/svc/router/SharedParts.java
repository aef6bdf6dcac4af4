package org.infinilm.svc.router;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.router.Sibling.Ask;
import org.infinilm.svc.router.Sibling.Claim;
import org.infinilm.svc.telemetry.Ticker;

/// What this router tells its siblings of seats and keys, and the part of both that it puts into
/// force. [#claims] and [#asks] on one thread, [#set] on another.
final class SharedParts implements Siblings.Parts {
  /// Who waits for an instance of which it has nothing gets one seat after so long, whatever the
  /// others say that they hold.
  private static final long DRY_NANOS = 30_000_000_000L;

  /// Gauges lag behind: so long back siblings may have had what an instance shows now.
  private static final long GAUGES_NANOS = 7_000_000_000L;

  private static final int FEW = 100;

  private static final long OTHERS_NANOS = 3_000_000_000L;

  private final Supplier<RoutingTable> table;
  private final Seats seats;
  private final Slots slots;
  private final KeyRing keys;
  private final Ticker ticker;
  private volatile Map<String, Claim> claimed = Map.of();

  /// What was said with the last word and with the one before. What was said counts with the next
  /// word: whoever wants the same has said so by then.
  private volatile Map<String, Claim> saidLast = Map.of();

  private volatile Map<String, Claim> said = Map.of();
  private volatile Map<String, Ask> asked = Map.of();
  private boolean wasAlone = true;
  private final Map<String, Long> drySince = new HashMap<>();
  private final Map<String, Peak> peaks = new HashMap<>();

  /// The most that siblings had at an instance of late.
  private static final class Peak {
    private record Look(long nanos, long held) {}

    private final Deque<Look> looks = new ArrayDeque<>();

    long after(long held, long now) {
      while (!looks.isEmpty() && now - looks.getFirst().nanos() > GAUGES_NANOS) {
        looks.removeFirst();
      }
      while (!looks.isEmpty() && looks.getLast().held() <= held) {
        looks.removeLast();
      }
      looks.addLast(new Look(now, held));
      return looks.getFirst().held();
    }
  }

  SharedParts(Supplier<RoutingTable> table, Seats seats, Slots slots, KeyRing keys, Ticker ticker) {
    this.table = table;
    this.seats = seats;
    this.slots = slots;
    this.keys = keys;
    this.ticker = ticker;
  }

  @Override
  public Map<String, Claim> claims() {
    Map<String, Claim> out = new HashMap<>();
    for (Instance i : table.get().fleet().instances()) {
      Claim c = own(i);
      if (c.wants() > 0) {
        out.put(Sibling.id(i.nameHash()), c);
      }
    }
    claimed = out;
    return out;
  }

  private Claim own(Instance i) {
    Slot s = slots.at(i.slot());
    return new Claim(Math.max(0, s.inFlight()), Math.max(0, s.waiting()));
  }

  @Override
  public void said() {
    said = saidLast;
    saidLast = claimed;
  }

  @Override
  public Map<String, Ask> asks() {
    Map<String, Ask> out = new HashMap<>();
    for (KeyHolder k : keys.holders()) {
      if (!k.key().limits().equals(Allowance.Limits.NONE)) {
        Ask a = k.asked();
        if (!a.equals(Ask.NONE)) {
          out.put(Sibling.id(hash(k)), a);
        }
      }
    }
    asked = out;
    return out;
  }

  private static long hash(KeyHolder k) {
    return Hash.mix(k.name().hashCode());
  }

  @Override
  public boolean set(Shares shares) {
    long now = ticker.nanos();
    boolean alone = shares.others().isEmpty();
    if (alone && wasAlone) {
      return false;
    }
    wasAlone = alone;
    boolean more = false;
    Map<String, Integer> limits = new HashMap<>();
    for (Instance i : table.get().fleet().instances()) {
      String id = Sibling.id(i.nameHash());
      if (!alone) {
        tellOthers(i, id, shares, now);
      }
      if (i.seats() == 0 || alone) {
        continue;
      }
      Claim own = own(i);
      int limit =
          shares.seats(
              i.nameHash(),
              usable(i, id, shares, now),
              own,
              said.getOrDefault(id, Claim.NONE).wants());
      limit = atLast(i, own, limit, now);
      limits.put(i.name(), limit);
      more |= own.wants() > Math.max(0, limit) && limit < i.seats();
    }
    if (alone) {
      drySince.clear();
      peaks.clear();
    } else if (peaks.size() > 2 * limits.size() + FEW) {
      drySince.keySet().retainAll(limits.keySet());
      peaks.keySet().retainAll(limits.keySet());
    }
    seats.share(alone ? Seats.Part.ALL : new Seats.Part(limits, shares.routers()));
    for (KeyHolder k : keys.holders()) {
      k.share(part(k, shares));
    }
    return more;
  }

  /// Seats of an instance that there are for all routers: fewer while it comes back, and while its
  /// gauges show requests that no router has sent.
  private long usable(Instance i, String id, Shares shares, long now) {
    Slot s = slots.at(i.slot());
    long held = 0;
    for (Sibling o : shares.others()) {
      held += o.at(id).held();
    }
    long most = peaks.computeIfAbsent(i.name(), n -> new Peak()).after(held, now);
    Others gauged = s.others(now);
    long strangers = Math.max(0, gauged.running() + gauged.waiting() - most);
    double comeback = Math.ceil(i.seats() * (double) s.comeback);
    return Math.max(1, Math.min(i.seats() - strangers, (long) comeback));
  }

  /// What siblings have there, for policies that look at it, where the instance does not tell.
  private void tellOthers(Instance i, String id, Shares shares, long now) {
    long held = 0;
    for (Sibling o : shares.others()) {
      held += shares.isFresh(o) ? o.at(id).held() : 0;
    }
    int n = (int) Math.min(held, 1_000_000);
    int running = i.cacheType() == CacheType.STATIC ? Math.min(1, n) : n;
    slots.at(i.slot()).siblings(new Others(running, n - running), now + OTHERS_NANOS);
  }

  private int atLast(Instance i, Claim own, int limit, long now) {
    if (limit > 0 || own.held() > 0 || own.waiting() == 0) {
      drySince.remove(i.name());
      return limit;
    }
    long since = drySince.computeIfAbsent(i.name(), n -> now);
    return now - since >= DRY_NANOS ? 1 : limit;
  }

  private Allowance.Limits part(KeyHolder k, Shares shares) {
    Allowance.Limits l = k.key().limits();
    if (l.equals(Allowance.Limits.NONE)) {
      return l;
    }
    String id = Sibling.id(hash(k));
    Ask a = asked.getOrDefault(id, Ask.NONE);
    return new Allowance.Limits(
        shares.ofLimit(hash(k), l.inFlight(), a.inFlight(), o -> o.of(id).inFlight()),
        shares.ofLimit(hash(k), l.requests(), a.requests(), o -> o.of(id).requests()),
        shares.ofLimit(hash(k), l.tokens(), a.tokens(), o -> o.of(id).tokens()));
  }
}
