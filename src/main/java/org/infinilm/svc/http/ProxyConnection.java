package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.PrematureChannelClosureException;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.NetUtil;
import io.netty.util.ReferenceCountUtil;
import java.net.InetAddress;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.ClientClock.Phase;
import org.jspecify.annotations.Nullable;

/// One client connection of the data plane: reads a request whole, hands it over, carries its
/// answer, then takes the next. Event-loop confined.
///
/// What is sent ahead of its turn waits undecoded, and reading stops when much of it does. Every
/// time limit is [ClientClock]'s and runs until the connection is gone.
final class ProxyConnection extends ChannelInboundHandlerAdapter implements LoopState.Timed {
  private static final int MOST_AHEAD_BYTES = 64 << 10;

  /// How often a connection that is not read is looked at for its end.
  private static final int LOOK_MILLIS = 100;

  /// How long a connection without a request is not taken for an idle one.
  private static final long FIRST_REQUEST_TICKS = LoopState.ticks(Duration.ofSeconds(1));

  /// Larger bodies are not read for nobody.
  private static final int SMALL_BODY_BYTES = 64 << 10;

  /// By pressure on memory.
  private static final WriteBufferWaterMark[] MARKS = {
    new WriteBufferWaterMark(64 << 10, 256 << 10),
    new WriteBufferWaterMark(16 << 10, 64 << 10),
    new WriteBufferWaterMark(4 << 10, 16 << 10)
  };

  /// What becomes of the connection after an answer.
  enum Next {
    KEEP,
    CLOSE,
    /// Closed so that the client sees a break.
    RESET;

    static Next after(boolean keepAlive) {
      return keepAlive ? KEEP : CLOSE;
    }
  }

  private final ProxyServer.Shared shared;
  private final LoopState loop;
  private final Channel channel;
  private final InetAddress peer;
  private final String peerText;
  private final Places.Place place;
  private final ClientClock clock;
  private final MemoryBudget.Share memory;
  private final RequestReader reader;
  private final StrictRequestDecoder decoder;
  private final boolean direct;
  private final BodyCollector body = new BodyCollector();

  /// Those of the request that has just come whole.
  private HttpHeaders trailers = EmptyHttpHeaders.INSTANCE;

  private @Nullable Outlet outlet;
  private @Nullable ChannelHandlerContext socketSide;
  private @Nullable ClientHead head;

  /// The request that is on its way or was last, as far as it is known.
  private @Nullable ClientHead asking;

  private @Nullable InboundRequest current;
  private long mostBodyBytes;
  private final long bornTick;

  /// Whether a request has come.
  private boolean asked;

  private boolean continueDue;
  private boolean closing;
  private boolean counted;
  private boolean decoding;
  private boolean late;
  private boolean looking;
  private long queuedBytes;
  private int marks;

  ProxyConnection(
      ProxyServer.Shared shared,
      LoopState loop,
      Channel channel,
      InetAddress peer,
      Places.Place place) {
    this.shared = shared;
    this.loop = loop;
    this.channel = channel;
    this.peer = peer;
    this.place = place;
    this.direct = shared.options.tls() == null;
    this.clock =
        new ClientClock(
            place == Places.Place.RESERVED ? shared.limits.hurried() : shared.limits, loop.now());
    this.bornTick = loop.now();
    this.memory = shared.memory.new Share(() -> channel.eventLoop().execute(this::giveUp));
    this.peerText = NetUtil.toAddressString(peer);
    this.reader = new RequestReader(this::takesNext, loop.scan(), loop.codecOnly());
    this.decoder = reader.decoder();
  }

  /// Where answers leave the codec.
  Outlet outlet() {
    Outlet o = outlet;
    if (o == null) {
      o =
          new Outlet(
              channel.pipeline().context(ProxyServer.ENCODER), direct ? loop.scratch() : null);
      outlet = o;
    }
    return o;
  }

  RequestReader reader() {
    return reader;
  }

  /// One that is being read goes on; the next one waits while answers before it are not taken.
  private boolean takesNext() {
    return current == null && !closing && (head != null || channel.isWritable());
  }

  /// Whether an answer that begins now may be followed by another.
  boolean keepsAlive() {
    return !shared.draining && place == Places.Place.USUAL;
  }

  /// Stands before the decoder: counts what is read, notes when a head begins, throws away what
  /// comes after the last request.
  class SocketSide extends ChannelDuplexHandler implements Tap.Reader {
    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      socketSide = ctx;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      read((ByteBuf) message);
    }

    @Override
    public void read(ByteBuf in) {
      if (closing) {
        clock.read(in.readableBytes(), loop.now());
        late = true;
        in.release();
        return;
      }
      if (clock.phase() == Phase.IDLE && takesNext()) {
        clock.enter(Phase.HEAD, loop.now());
      }
      decode(in);
    }

    @Override
    public void readAll() {
      reader.readAll();
    }

    private void decode(ByteBuf in) {
      decoding = true;
      try {
        reader.take(in);
      } finally {
        decoding = false;
      }
      if (continueDue && head != null && body.bytes() == 0) {
        continueDue = false;
        channel.writeAndFlush(
            new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER));
      }
      if (current == null && head == null && !closing) {
        Phase phase = decoder.holdsBytes() && takesNext() ? Phase.HEAD : Phase.IDLE;
        if (clock.phase() != phase) {
          clock.enter(phase, loop.now());
        }
      }
      holdBack();
    }

    /// A decoder that made nothing of its bytes asks for more by itself, whatever we hold back.
    @Override
    public void read(ChannelHandlerContext ctx) {
      if (channel.config().isAutoRead()) {
        ctx.read();
      }
    }
  }

  /// The same right behind the socket: counts what is sent as well.
  final class PlainSide extends SocketSide {
    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
      if (message instanceof ByteBuf b) {
        queuedBytes += b.readableBytes();
      }
      ctx.write(message, promise);
    }
  }

  /// Counts what is sent, where TLS stands between.
  final class Sent extends ChannelOutboundHandlerAdapter {
    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
      if (message instanceof ByteBuf b) {
        queuedBytes += b.readableBytes();
      }
      ctx.write(message, promise);
    }
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    counted = true;
    shared.live.incrementAndGet();
    loop.watch(this);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    if (closing || current != null) {
      ReferenceCountUtil.release(message);
      return;
    }
    switch (message) {
      case PlainRequest r -> begin(r);
      case ByteBuf piece -> collect(piece, false);
      case HttpObject part -> take(part);
      case Object end -> dispatch();
    }
  }

  private void take(HttpObject part) {
    if (part.decoderResult().isFailure()) {
      if (head == null) {
        asking = null;
      }
      ReferenceCountUtil.release(part);
      refuseBroken(part.decoderResult().cause());
      return;
    }
    if (part instanceof HttpRequest request) {
      RequestCheck.Refusal no = RequestCheck.refusal(request);
      if (no == null && RequestCheck.wantsWebSocket(request)) {
        no = new RequestCheck.Refusal(501, "WebSocket upgrades are not supported");
      }
      ClientHead h = new NettyRequestHead(request);
      if (no == null) {
        begin(h);
        continueDue = head != null && RequestCheck.awaitsContinue(request);
      } else {
        came(h);
        refuse(no.status(), no.why());
      }
    }
    if (part instanceof LastHttpContent last && !closing) {
      trailers = last.trailingHeaders();
      if (trailers.size() > StrictRequestDecoder.MAX_FIELDS) {
        last.release();
        refuse(431, "more than " + StrictRequestDecoder.MAX_FIELDS + " trailer fields");
        return;
      }
    }
    if (part instanceof HttpContent content) {
      collect(content.content(), content instanceof LastHttpContent);
    }
  }

  private void came(ClientHead h) {
    asked = true;
    clock.enter(Phase.BODY, loop.now());
    asking = h;
  }

  private void begin(ClientHead h) {
    came(h);
    mostBodyBytes = Math.min(shared.mostBodyBytes(), shared.front.mostBodyBytes(h.target()));
    if (place == Places.Place.RESERVED && !shared.front.vital(h.target())) {
      refuse(503, "too many connections (expected: " + shared.places.limit(peer) + ")");
    } else if (h.length() > mostBodyBytes) {
      refuse(413, tooLarge());
    } else if (!shared.memory.admits(h.length())) {
      refuse(503, memoryFull());
    } else {
      Response no = h.framed() && !isSmall(h) ? shared.front.unwelcome(h) : null;
      if (no != null) {
        refuse(no);
        return;
      }
      head = h;
      memory.note(0, true);
    }
  }

  private static boolean isSmall(ClientHead h) {
    return h.length() > 0 && h.length() <= SMALL_BODY_BYTES;
  }

  /// Takes ownership.
  private void collect(ByteBuf piece, boolean last) {
    if (closing || head == null) {
      piece.release();
      return;
    }
    clock.read(piece.readableBytes(), loop.now());
    if (body.bytes() + piece.readableBytes() > mostBodyBytes) {
      piece.release();
      refuse(413, tooLarge());
      return;
    }
    body.add(piece, channel.alloc());
    if (!memory.body(body.held())) {
      refuse(503, memoryFull());
    } else if (last) {
      dispatch();
    }
  }

  private String tooLarge() {
    return Arrival.tooLarge(mostBodyBytes);
  }

  private String memoryFull() {
    return Arrival.memoryFull(shared.memory);
  }

  private void dispatch() {
    ClientHead h = head;
    if (h == null || closing) {
      return;
    }
    head = null;
    ByteBuf whole = body.take(channel.alloc());
    HttpHeaders last = trailers;
    trailers = EmptyHttpHeaders.INSTANCE;
    InboundRequest r = new InboundRequest(this, channel, loop, h, whole, last, peerText);
    current = r;
    clock.enter(Phase.ANSWERING, loop.now());
    memory.note(0, false);
    try {
      Response here = answeredHere(h);
      if (here != null) {
        r.answer(here);
      } else {
        shared.front.receive(r);
      }
    } catch (Throwable e) {
      // an Error too: a client must not wait for an answer that never comes
      Faults.note("a request's start", e);
      r.fault();
    }
  }

  private @Nullable Response answeredHere(ClientHead h) {
    if (!h.method().equals("OPTIONS")) {
      return null;
    }
    return h.target().equals("*")
        ? Response.empty(200).with("allow", RequestHead.METHODS)
        : cors().preflight(h);
  }

  Cors cors() {
    return shared.options.cors();
  }

  HttpDate date() {
    return shared.date;
  }

  ExecutorService readers() {
    return shared.readers;
  }

  Room room() {
    return memory;
  }

  /// What the client of `r` is told after a fault of ours.
  Response failed(ClientHead r) {
    return shared.front.refusal(500, "internal error", asked(r));
  }

  private static Front.Asked asked(@Nullable ClientHead r) {
    return r == null
        ? new Front.Asked(null, null, null)
        : new Front.Asked(r.method(), r.target(), r.header("x-request-id"));
  }

  /// The answer of `r` is written (or broken off); the next request may start.
  void done(InboundRequest r, Next next) {
    if (current != r) {
      return;
    }
    current = null;
    asking = null;
    memory.body(0);
    if (!channel.isActive() || closing) {
      return;
    }
    // an answer whose head has promised that another may follow keeps that, at an end too
    if (next != Next.KEEP) {
      closeAfterAnswer(next);
      return;
    }
    clock.enter(Phase.IDLE, loop.now());
    goOn();
  }

  private void goOn() {
    if (!decoding && current == null && !closing && channel.isActive()) {
      if (decoder.holdsBytes()) {
        readOn();
      } else {
        holdBack();
      }
    }
  }

  /// Has the decoder look at what waits.
  private void readOn() {
    ChannelHandlerContext side = socketSide;
    if (side != null && side.handler() instanceof SocketSide s) {
      s.channelRead(side, Unpooled.EMPTY_BUFFER);
    }
  }

  /// Reads no more while much waits for its turn.
  private void holdBack() {
    boolean read = takesNext() || decoder.waitingBytes() <= MOST_AHEAD_BYTES;
    if (channel.config().isAutoRead() != read) {
      channel.config().setAutoRead(read);
      lookForItsEnd();
    }
  }

  /// What is not read hides that the client has left: its FIN lies behind.
  private void lookForItsEnd() {
    if (looking || channel.config().isAutoRead() || !channel.isActive()) {
      return;
    }
    looking = true;
    channel
        .eventLoop()
        .schedule(
            () -> {
              looking = false;
              if (!channel.config().isAutoRead() && Sockets.peerHasEnded(channel)) {
                channel.close();
              } else {
                lookForItsEnd();
              }
            },
            LOOK_MILLIS,
            TimeUnit.MILLISECONDS);
  }

  private void closeAfterAnswer(Next next) {
    closing = true;
    clock.enter(Phase.CLOSING, loop.now());
    channel
        .writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(f -> {
          if (next == Next.RESET) {
            reset();
          } else if (late || decoder.holdsBytes()) {
            linger();
          } else {
            channel.close();
          }
        });
  }

  private void reset() {
    Sockets.reset(channel);
  }

  /// All is sent: says so, and throws away what still comes, for a while (RFC 9112 section 9.6).
  private void linger() {
    if (!channel.isActive()) {
      return;
    }
    clock.enter(Phase.LINGERING, loop.now());
    countOut();
    channel.config().setAutoRead(true);
    if (channel instanceof SocketChannel s) {
      TlsDoor.endOutput(s);
    }
  }

  private void refuseBroken(Throwable cause) {
    switch (cause) {
      case PrematureChannelClosureException gone -> closing = true;
      case TooLongHttpLineException e ->
          refuse(414, "request line too long (expected: at most 16 KiB)");
      case TooLongHttpHeaderException e ->
          refuse(431, "request head too large (expected: at most 64 KiB)");
      default -> refuse(400, String.valueOf(cause.getMessage()));
    }
  }

  /// Answers and closes, once the client has had time to see the answer.
  private void refuse(int status, String why) {
    refuse(shared.front.refusal(status, why, asked(asking)));
  }

  private void refuse(Response said) {
    ClientHead r = asking;
    closing = true;
    clock.enter(Phase.CLOSING, loop.now());
    head = null;
    releaseBody();
    DefaultFullHttpResponse full =
        InboundRequest.full(said, r != null && r.method().equals("HEAD"));
    full.headers().set(HttpHeaderNames.DATE, shared.date.now());
    full.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    cors().mark(r == null ? null : r.header("origin"), full.headers());
    channel.writeAndFlush(full).addListener(f -> linger());
  }

  private void releaseBody() {
    body.drop();
    memory.body(0);
  }

  /// This connection is the costliest while memory is short. What an instance works on stays.
  private void giveUp() {
    if (!channel.isActive()) {
      return;
    }
    if (head != null) {
      refuse(503, memoryFull());
    } else if (unsent() > 0 || decoder.waitingBytes() > MOST_AHEAD_BYTES) {
      reset();
    }
  }

  /// Whether its first request may still be on its way: whoever has just connected is about to ask.
  private boolean justCame(long now) {
    return !asked && now - bornTick < FIRST_REQUEST_TICKS;
  }

  @Override
  public void tick(long now) {
    if (!channel.isActive()) {
      return;
    }
    long unsent = unsent();
    watchMemory(unsent);
    ClientClock.Verdict verdict = clock.tick(now, unsent, queuedBytes() - unsent);
    if (place == Places.Place.RESERVED && verdict != ClientClock.Verdict.GOES_ON) {
      channel.close();
      return;
    }
    switch (verdict) {
      case GOES_ON -> {
        if (shared.closeIdle && clock.phase() == Phase.IDLE && unsent == 0 && !justCame(now)) {
          channel.close();
        }
      }
      case IDLE_OVER, LINGERED -> channel.close();
      case STALLED -> {
        if (Sockets.sentWithin(channel, shared.options.times().clientStall())) {
          clock.kernelSent(now);
        } else {
          stalled();
        }
      }
      case HEAD_LATE ->
          refuse(
              408,
              "request head not complete after "
                  + shared.options.times().head().toSeconds()
                  + " s");
      case BODY_PAUSED -> refuse(408, Arrival.paused(shared.options.times()));
      case BODY_SLOW -> refuse(408, Arrival.slow(shared.options.times()));
    }
    long missing = clock.missing(now, queuedBytes() - unsent);
    if (missing > 0 && missing > Sockets.unseen(channel)) {
      stalled();
    }
  }

  private void stalled() {
    shared.stalled.incrementAndGet();
    reset();
  }

  private void watchMemory(long unsent) {
    int pressure = shared.memory.pressure();
    if (pressure != marks) {
      marks = pressure;
      channel.config().setWriteBufferWaterMark(MARKS[pressure]);
    }
    int waiting = decoder.waitingBytes();
    memory.note(
        loop.now() - clock.since(), unsent > 0 || head != null || waiting > MOST_AHEAD_BYTES);
    if (!memory.waiting(unsent + waiting)) {
      reset();
    }
  }

  private long queuedBytes() {
    Outlet o = outlet;
    return o == null ? queuedBytes : queuedBytes + o.sentBytes();
  }

  /// Bytes of answers that the kernel has not taken.
  private long unsent() {
    return Sockets.unsent(channel);
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (!channel.isWritable()) {
      watchMemory(unsent());
    }
    InboundRequest r = current;
    if (r != null) {
      r.writabilityChanged(channel.isWritable());
    } else if (channel.isWritable()) {
      channel.eventLoop().execute(this::goOn);
    }
  }

  /// Ends the request in flight, one that still arrives included; its answer closes the connection.
  void shutdown() {
    InboundRequest r = current;
    if (r != null) {
      r.shutdown();
    } else if (!closing && (head != null || clock.phase() == Phase.HEAD)) {
      refuse(shared.front.ending(asked(head)));
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    countOut();
    loop.unwatch(this);
    closing = true;
    releaseBody();
    InboundRequest r = current;
    if (r != null) {
      r.clientGone();
    }
    memory.close();
  }

  private void countOut() {
    if (counted) {
      counted = false;
      shared.live.decrementAndGet();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    Faults.note("a client's connection", cause);
    ctx.close();
  }
}
