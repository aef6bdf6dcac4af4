package org.infinilm.svc.load;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ScheduledFuture;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.load.LoadSample.Outcome;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.workload.LoadItem;
import org.infinilm.svc.workload.LoadItem.Message;
import org.infinilm.svc.workload.RequestBody;
import org.jspecify.annotations.Nullable;

/// One run: sends a workload by its plan and measures every answer. All of it happens on one event
/// loop of its own; [#start], [#stop], [#progress] and [#close] may be called from elsewhere.
///
/// A request is due by the plan, or, for the next turn of a conversation, when the answer before it
/// has come. Under a bound on concurrency a due request waits for a slot. Times are measured from
/// both ends: when it was due (no coordinated omission) and when it was really sent (vLLM's way).
public final class LoadRun implements AutoCloseable {
  /// Idle connections are not used again after this: common servers close theirs after 5 s.
  private static final long MOST_IDLE_NANOS = TimeUnit.SECONDS.toNanos(4);

  private static final int CONNECT_MILLIS = 10_000;

  /// Times between chunks that are kept for ITL.
  public static final int MOST_GAPS = 20_000_000;

  private static final long MOST_RECORDED_NANOS = TimeUnit.HOURS.toNanos(24);

  /// Counts so far.
  public record Progress(long sent, long done, long failed, long inFlight, long chunks) {}

  private record Due(long at, int index) implements Comparable<Due> {
    @Override
    public int compareTo(Due o) {
      return at != o.at ? Long.compare(at, o.at) : Integer.compare(index, o.index);
    }
  }

  /// A conversation under way: what was said and which requests are left.
  private static final class Dialogue {
    final List<Message> history = new ArrayList<>();
    final ArrayDeque<Integer> turns = new ArrayDeque<>();
  }

  private final LoadOptions options;
  private final RequestBody bodies;
  private final Ticker ticker;
  private final InetSocketAddress address;
  private final byte[] headBytes;
  private final String runId;
  private final boolean keepText;
  private final boolean saveTexts;
  private final boolean countTexts;
  private final EventLoopGroup group;
  private final EventLoop loop;
  private final Bootstrap bootstrap;
  private final LoadSample[] samples;
  private final int[] starts;
  private final long @Nullable [] plan;
  private final Map<Integer, Dialogue> dialogues = new HashMap<>();
  private final IdentityHashMap<LoadItem, byte[]> ready;
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final byte[] scratch = new byte[64 << 10];
  private final LinkedHashSet<LoadConnection> idle = new LinkedHashSet<>();

  /// Connections with a request, the oldest first.
  private final LinkedHashSet<LoadConnection> busy = new LinkedHashSet<>();

  private final PriorityQueue<Due> later = new PriorityQueue<>();
  private final AtomicLong sent = new AtomicLong();
  private final AtomicLong done = new AtomicLong();
  private final AtomicLong failed = new AtomicLong();
  private final AtomicLong chunks = new AtomicLong();
  private final SingleWriterRecorder ttfts = new SingleWriterRecorder(1, MOST_RECORDED_NANOS, 3);
  private final long rampNanos;
  private long startNanos;
  private int nextStart;
  private int inFlight;
  private int joined;
  private long slotFreed;
  private boolean pumping;
  private boolean again;
  private boolean stopped;
  private @Nullable ScheduledFuture<?> timer;
  private long timerAt = Long.MAX_VALUE;
  private @Nullable Future<?> sweeper;

  /// @param items the workload in order
  /// @param plan send times of the items that do not wait for an answer; null for a closed loop
  /// @param ready bodies made beforehand; what is missing is made when it is sent
  /// @param saveTexts whether the answers' texts are kept to the end
  /// @param countTexts whether the texts of answers without usage are
  public LoadRun(
      LoadOptions options,
      List<LoadItem> items,
      long @Nullable [] plan,
      RequestBody bodies,
      IdentityHashMap<LoadItem, byte[]> ready,
      boolean saveTexts,
      boolean countTexts,
      Ticker ticker)
      throws UnknownHostException {
    this.options = options;
    this.bodies = bodies;
    this.ready = ready;
    this.ticker = ticker;
    this.plan = plan;
    this.rampNanos = options.arrivals().rampUp().toNanos();
    this.samples = new LoadSample[items.size()];
    this.starts = starts(items);
    this.saveTexts = saveTexts;
    this.countTexts = countTexts;
    this.keepText = saveTexts || countTexts || !dialogues.isEmpty();
    this.address =
        new InetSocketAddress(
            InetAddress.getByName(options.target().base().host()), options.target().base().port());
    this.runId = "bench-" + Long.toHexString(ticker.now().toEpochMilli()) + "-";
    this.headBytes = head(options).getBytes(StandardCharsets.US_ASCII);
    this.group =
        new MultiThreadIoEventLoopGroup(
            1,
            new DefaultThreadFactory("bench", true),
            Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
    this.loop = group.next();
    this.bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class)
            .option(ChannelOption.TCP_NODELAY, true)
            .option(
                ChannelOption.CONNECT_TIMEOUT_MILLIS,
                Math.clamp(options.requestTimeout().toMillis(), 1, CONNECT_MILLIS));
  }

  /// Makes the samples; the items that wait for no answer, in order.
  private int[] starts(List<LoadItem> items) {
    int[] first = new int[items.size()];
    int n = 0;
    for (int k = 0; k < items.size(); k++) {
      LoadItem item = items.get(k);
      samples[k] = new LoadSample(k, item);
      Dialogue d =
          item.conversation() < 0
              ? null
              : dialogues.computeIfAbsent(item.conversation(), c -> new Dialogue());
      if (d == null || d.turns.isEmpty()) {
        first[n++] = k;
      }
      if (d != null) {
        d.turns.add(k);
      }
    }
    return Arrays.copyOf(first, n);
  }

  private static String head(LoadOptions o) {
    StringBuilder b = new StringBuilder();
    b.append("POST ").append(o.endpoint()).append(" HTTP/1.1\r\nHost: ");
    b.append(IpText.withoutZone(o.target().base().authority()));
    b.append("\r\nContent-Type: application/json\r\nAccept: */*\r\nUser-Agent: infini-bench\r\n");
    for (Header h : o.headers()) {
      b.append(h.name()).append(": ").append(h.value()).append("\r\n");
    }
    boolean ownId = o.headers().stream().anyMatch(h -> h.name().equalsIgnoreCase("x-request-id"));
    return ownId ? b.toString() : b + "X-Request-Id: ";
  }

  /// Begins to send; the future completes when every request has ended, or after [#stop].
  public CompletableFuture<Void> start() {
    startNanos = ticker.nanos();
    loop.execute(() -> {
      long sweep = Math.clamp(options.requestTimeout().toNanos() / 4, 1_000_000, 500_000_000);
      sweeper = loop.scheduleWithFixedDelay(this::sweep, sweep, sweep, TimeUnit.NANOSECONDS);
      guarded(this::pump);
      endWhenDone();
    });
    return ended;
  }

  /// Sends nothing more and gives up what is in flight.
  public void stop() {
    loop.execute(() -> {
      stopped = true;
      for (LoadConnection c : List.copyOf(busy)) {
        c.fail(Outcome.CLIENT_GONE, "interrupted", "the run was interrupted");
      }
      end();
    });
  }

  /// The requests in order; call it after the end.
  public List<LoadSample> samples() {
    return List.of(samples);
  }

  public Progress progress() {
    long s = sent.get();
    long d = done.get();
    return new Progress(s, d, failed.get(), s - d, chunks.get());
  }

  /// Time to first chunk since the last call, in nanoseconds from the send.
  public Histogram recentTtft() {
    return ttfts.getIntervalHistogram();
  }

  long now() {
    return ticker.nanos() - startNanos;
  }

  byte[] scratch() {
    return scratch;
  }

  /// Sends what is due while there are slots, then sets the timer for what comes next.
  private void pump() {
    if (pumping) {
      again = true;
      return;
    }
    pumping = true;
    int slots = slots();
    if (slots > joined) {
      joined = slots;
      slotFreed = Math.max(slotFreed, joinedAt(slots));
    }
    do {
      again = false;
      while (!stopped && slotFree()) {
        long now = now();
        Due d = later.peek();
        long startAt = nextStart < starts.length ? plan == null ? 0 : plan[nextStart] : -1;
        boolean next = d != null && d.at() <= now;
        if (next && (plan == null || startAt < 0 || d.at() <= startAt)) {
          later.poll();
          send(samples[d.index()], d.at(), false);
        } else if (startAt >= 0 && startAt <= now) {
          send(samples[starts[nextStart++]], startAt, plan == null);
        } else {
          break;
        }
      }
    } while (again);
    pumping = false;
    arm();
  }

  private boolean slotFree() {
    return options.maxConcurrency() == 0 || inFlight < slots();
  }

  /// Requests that may be under way now: in a closed loop one after the other joins in the time
  /// that the load grows.
  private int slots() {
    int all = options.maxConcurrency();
    long now = now();
    return plan != null || now >= rampNanos
        ? all
        : 1 + (int) ((all - 1) * (double) now / rampNanos);
  }

  /// When so many slots have joined.
  private long joinedAt(int slots) {
    int others = options.maxConcurrency() - 1;
    return plan != null || others < 1
        ? 0
        : (long) Math.ceil((double) (slots - 1) * rampNanos / others);
  }

  /// When the next slot joins; the end of time when all have, or there is one that is free.
  private long nextSlot() {
    int slots = slots();
    int all = options.maxConcurrency();
    return plan != null || slots >= all || slotFree() ? Long.MAX_VALUE : joinedAt(slots + 1);
  }

  private void arm() {
    long at = Long.MAX_VALUE;
    if (!stopped && slotFree()) {
      Due d = later.peek();
      at = d == null ? at : d.at();
      if (nextStart < starts.length) {
        at = Math.min(at, plan == null ? 0 : plan[nextStart]);
      }
    } else if (!stopped && (nextStart < starts.length || !later.isEmpty())) {
      at = nextSlot();
    }
    if (at != timerAt) {
      if (timer != null) {
        timer.cancel(false);
        timer = null;
      }
      timerAt = at;
      if (at != Long.MAX_VALUE) {
        timer = loop.schedule(this::due, Math.max(0, at - now()), TimeUnit.NANOSECONDS);
      }
    }
  }

  private void due() {
    timerAt = Long.MAX_VALUE;
    timer = null;
    guarded(this::pump);
  }

  /// A fault of our own ends the run instead of leaving it waiting.
  private void guarded(Runnable work) {
    try {
      work.run();
    } catch (RuntimeException e) {
      ended.completeExceptionally(e);
    }
  }

  /// @param whenFree whether it was due as soon as there was a slot
  private void send(LoadSample s, long due, boolean whenFree) {
    s.eligible = Math.max(due, slotFreed);
    s.intended = whenFree ? s.eligible : due;
    s.rampUp = s.intended < rampNanos;
    inFlight++;
    sent.incrementAndGet();
    Dialogue d = dialogues.get(s.item.conversation());
    if (d != null) {
      d.turns.poll();
    }
    byte[] body = d == null ? ready.get(s.item) : null;
    if (body == null) {
      body = bodies.of(s.item, d == null ? List.of() : d.history);
    }
    s.bodyBytes = body.length;
    s.textBytes = d == null ? -1 : bodies.textBytes(s.item, d.history);
    s.askedTokens = bodies.asked(s.item);
    LoadConnection c = connection();
    if (c != null) {
      busy.add(c);
      c.assign(s);
      s.sent = now();
      c.send(request(s, body));
    } else {
      connect(s, body);
    }
  }

  private @Nullable LoadConnection connection() {
    long oldest = now() - MOST_IDLE_NANOS;
    while (!idle.isEmpty()) {
      LoadConnection c = idle.removeLast();
      if (c.usable() && c.idleSince() >= oldest) {
        return c;
      }
      c.fail(Outcome.CLIENT_GONE, "idle", "idle");
    }
    return null;
  }

  private void connect(LoadSample s, byte[] body) {
    LoadConnection c = new LoadConnection(this, options.chat(), options.stream(), keepText);
    busy.add(c);
    c.assign(s);
    s.sent = now();
    ChannelFuture f =
        bootstrap
            .clone()
            .handler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    ChannelHandler secured = options.target().secured(channel);
                    if (secured != null) {
                      channel.pipeline().addLast(secured);
                    }
                    channel.pipeline().addLast(c);
                  }
                })
            .connect(address);
    c.opened(f.channel());
    f.addListener(x -> {
      if (c.sample() != s) {
        f.channel().close();
      } else if (f.isSuccess()) {
        c.send(request(s, body));
      } else {
        c.refused(f.cause());
      }
    });
  }

  private ByteBuf request(LoadSample s, byte[] body) {
    String id = headBytes[headBytes.length - 1] == ' ' ? runId + s.index + "\r\n" : "";
    if (!id.isEmpty()) {
      s.requestId = runId + s.index;
    }
    byte[] rest =
        (id + "Content-Length: " + body.length + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
    ByteBuf b =
        PooledByteBufAllocator.DEFAULT.ioBuffer(headBytes.length + rest.length + body.length);
    return b.writeBytes(headBytes).writeBytes(rest).writeBytes(body);
  }

  /// Answers to one request.
  int choices() {
    return bodies.choices();
  }

  /// Whether the model cannot end an answer by itself.
  boolean ignoresEnd() {
    return bodies.ignoresEnd();
  }

  /// A text of the server's without the secrets that it may repeat.
  String hidden(String text) {
    return options.target().hidden(text);
  }

  /// A fault of our own.
  void faulty(RuntimeException e) {
    ended.completeExceptionally(e);
  }

  /// Whether the times between chunks are still kept one by one; they take memory without bound
  /// otherwise.
  boolean keepsGaps() {
    return chunks.get() < MOST_GAPS;
  }

  /// A chunk with output came.
  void token(LoadSample s) {
    chunks.lazySet(chunks.get() + 1);
    if (s.chunks == 1) {
      ttfts.recordValue(Math.clamp(s.first - s.sent, 1, MOST_RECORDED_NANOS));
    }
  }

  void closed(LoadConnection c) {
    idle.remove(c);
  }

  /// A request has ended, well or not.
  void ended(LoadConnection c, LoadSample s, boolean reusable) {
    busy.remove(c);
    if (options.maxConcurrency() > 0 && inFlight >= slots()) {
      slotFreed = s.end;
    }
    inFlight--;
    done.incrementAndGet();
    if (!s.ok()) {
      failed.incrementAndGet();
    }
    if (reusable) {
      idle.add(c);
    }
    Dialogue d = dialogues.get(s.item.conversation());
    if (d != null) {
      remember(d, s);
    }
    if (!saveTexts && !(countTexts && s.outputTokens < 0)) {
      s.text = null;
    }
    if (d != null) {
      Integer next = d.turns.peek();
      if (next != null && !stopped) {
        later.add(new Due(s.end + options.thinkTime().toNanos(), next));
      }
    }
    pump();
    endWhenDone();
  }

  /// Adds what was said to the history; of a failed turn only the question.
  private void remember(Dialogue d, LoadSample s) {
    d.history.addAll(s.item.messages());
    if (s.ok() && s.text != null) {
      d.history.add(new Message("assistant", Json.text(s.text.toString())));
    }
  }

  private void sweep() {
    long oldest = now() - options.requestTimeout().toNanos();
    while (!busy.isEmpty()) {
      LoadConnection c = busy.getFirst();
      LoadSample s = c.sample();
      if (s != null && s.sent >= oldest) {
        return;
      }
      c.fail(
          Outcome.TIMEOUT,
          "no complete answer in time",
          "no complete answer within " + options.requestTimeout().toMillis() / 1000.0 + " s");
    }
  }

  private void endWhenDone() {
    if (done.get() == samples.length) {
      end();
    }
  }

  private void end() {
    if (timer != null) {
      timer.cancel(false);
    }
    if (sweeper != null) {
      sweeper.cancel(false);
    }
    ended.complete(null);
  }

  @Override
  public void close() {
    group.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly(3000);
  }
}
