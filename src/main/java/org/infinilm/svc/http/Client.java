package org.infinilm.svc.http;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.Future;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The blocking HTTP/1.1 client of control planes: one connection a call unless it keeps them
/// ([#keeping]), no proxies, no redirects, no cookies, bounded bodies. Thread-safe; call it from
/// virtual threads.
public final class Client implements AutoCloseable {
  private static final int MAX_BODY_BYTES = 64 << 20;
  private static final Duration LONGEST_IDLE = Duration.ofSeconds(20);
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final int MOST_ADDRESSES = 4;

  /// One complete answer.
  public record Reply(int status, Headers headers, byte[] body) {
    public boolean ok() {
      return status >= 200 && status < 300;
    }
  }

  /// A streamed answer as it arrives, on the calling thread.
  public interface Listener {
    void head(int status, Headers headers);

    /// One piece of the body. An [IOException] ends the call and closes the connection.
    void piece(byte[] piece) throws IOException;
  }

  /// Where host names are looked up, on the calling thread.
  public interface Names {
    /// At least one address; they are tried in this order.
    ///
    /// @throws UnknownHostException when the name is not known
    List<InetAddress> addresses(String host) throws UnknownHostException;
  }

  /// No connection was made.
  public static final class NotConnected extends IOException {
    private static final long serialVersionUID = 1;
    private final boolean ours;

    NotConnected(String message, Throwable cause) {
      super(message, cause);
      this.ours = Unconnected.lacked(Unconnected.failure(cause, true));
    }

    /// Whether this process or its host lacked what a socket takes (descriptors, memory, local
    /// ports), which says nothing of the server.
    public boolean ours() {
      return ours;
    }
  }

  /// A connection that was kept from an earlier call ended before the head of an answer had come:
  /// the server may have carried the call out, or have closed while the call was on its way.
  public static final class Lost extends IOException {
    private static final long serialVersionUID = 1;

    Lost(IOException cause) {
      super(cause.getMessage(), cause);
    }
  }

  private static final int MAX_LOOKUPS = 64;
  private static final Semaphore LOOKUPS = new Semaphore(MAX_LOOKUPS);
  private static final Pattern NUMERIC = Pattern.compile("[0-9.]+|.*:.*");

  private final EventLoopGroup loops;
  private final Tls tls;
  private final Names names;
  private final @Nullable String socket;

  /// Null where each call has a connection of its own.
  private final @Nullable KeptConnections kept;

  private Client(
      EventLoopGroup loops,
      Tls tls,
      Names names,
      @Nullable String socket,
      @Nullable KeptConnections kept) {
    this.loops = loops;
    this.tls = tls;
    this.names = names;
    this.socket = socket;
    this.kept = kept;
  }

  /// A client on the control loop of this process.
  public static Client create() {
    return create(host -> List.of(InetAddress.getAllByName(host)));
  }

  /// A client that looks names up its own way.
  public static Client create(Names names) {
    return new Client(Loops.control(), Tls.DEFAULT, names, null, null);
  }

  /// The same client, which reaches https URLs so.
  public Client with(Tls how) {
    return new Client(loops, how, names, socket, fresh());
  }

  /// The same client, which connects to a unix socket whatever host a URL names.
  public Client through(String path) {
    return new Client(loops, tls, names, path, fresh());
  }

  /// The same client, which keeps connections for later calls: some for each server, each for a
  /// while; none that was made with TLS files of before. A call over one of them may fail with
  /// [Lost]. [#close] closes those that are idle.
  public Client keeping() {
    return keeping(LONGEST_IDLE);
  }

  Client keeping(Duration longestIdle) {
    return new Client(loops, tls, names, socket, new KeptConnections(longestIdle));
  }

  private @Nullable KeptConnections fresh() {
    return kept == null ? null : new KeptConnections(kept.longestIdle());
  }

  /// Sends one request and waits for the whole answer (at most 64 MiB).
  ///
  /// @param timeout for the whole exchange
  /// @throws IOException when nothing answers in time, the connection breaks, or the answer is no
  ///   HTTP
  public Reply send(String method, URI uri, Headers headers, byte[] body, Duration timeout)
      throws IOException, InterruptedException {
    return send(method, uri, headers, body, timeout, MAX_BODY_BYTES);
  }

  /// An answer has more bytes than are wanted of it.
  public static final class TooLong extends IOException {
    private static final long serialVersionUID = 1;

    TooLong(String message) {
      super(message);
    }
  }

  /// [#send] for answers of at most `mostBytes`.
  ///
  /// @throws TooLong when there are more
  public Reply send(
      String method, URI uri, Headers headers, byte[] body, Duration timeout, int mostBytes)
      throws IOException, InterruptedException {
    Collector collector = new Collector(mostBytes);
    run(method, uri, headers, body, timeout, timeout, collector);
    return collector.reply();
  }

  /// The status of a `GET` whose answer is not kept: it is read to its end, or as far as tells that
  /// it is long, and then left.
  ///
  /// @throws IOException as for [#send]
  public int status(URI uri, Headers headers, Duration timeout)
      throws IOException, InterruptedException {
    Collector collector = new Collector(0);
    try {
      run("GET", uri, headers, new byte[0], timeout, timeout, collector);
    } catch (Collector.Enough long_) {
      // the head has come before
    }
    return collector.reply().status();
  }

  /// `GET` without headers.
  public Reply get(URI uri, Duration timeout) throws IOException, InterruptedException {
    return send("GET", uri, Headers.NONE, new byte[0], timeout);
  }

  /// `POST` of a JSON document.
  public Reply post(URI uri, Object json, Duration timeout)
      throws IOException, InterruptedException {
    return send(
        "POST", uri, Headers.of("content-type", "application/json"), Json.bytes(json), timeout);
  }

  /// Sends one request and hands the answer to `listener` as it arrives; returns when it ends.
  ///
  /// @param timeout between bytes
  /// @throws IOException as for [#send], and when the body ends before its framing says so
  public void stream(
      String method, URI uri, Headers headers, byte[] body, Duration timeout, Listener listener)
      throws IOException, InterruptedException {
    run(method, uri, headers, body, null, timeout, listener);
  }

  private void run(
      String method,
      URI uri,
      Headers headers,
      byte[] body,
      @Nullable Duration total,
      Duration betweenBytes,
      Listener listener)
      throws IOException, InterruptedException {
    Duration timeout = total == null ? betweenBytes : total;
    Duration connect = timeout.compareTo(CONNECT) < 0 ? timeout : CONNECT;
    BaseUrl server = server(uri);
    if (server.secure()) {
      tls.refresh();
    }
    ClientCall.Asked asked =
        new ClientCall.Asked(
            request(method, uri, headers, body, kept != null), method.equals("HEAD"), total);
    for (ClientConnection old = kept(server); old != null; old = kept(server)) {
      ClientCall call = new ClientCall(uri.getRawAuthority(), tls);
      if (run(old, call, asked, listener, betweenBytes)) {
        return;
      }
    }
    ClientConnection made = connect(server, connect);
    ClientCall call = new ClientCall(uri.getRawAuthority(), tls);
    try {
      if (server.secure()) {
        secure(made.channel(), server, connect);
      }
    } catch (IOException | InterruptedException e) {
      made.close();
      throw e;
    }
    run(made, call, asked, listener, betweenBytes);
  }

  private @Nullable ClientConnection kept(BaseUrl server) {
    return kept == null ? null : kept.take(server, server.secure() ? tls : null);
  }

  /// @return false when it was not sent, since the connection had ended
  private static boolean run(
      ClientConnection c,
      ClientCall call,
      ClientCall.Asked asked,
      Listener listener,
      Duration betweenBytes)
      throws IOException, InterruptedException {
    boolean whole = false;
    boolean used = c.isUsed();
    try {
      c.begin(call, asked);
      boolean sent = call.consume(listener, betweenBytes);
      whole = true;
      return sent;
    } catch (IOException e) {
      c.forgetOthers();
      if (used && call.isLost()) {
        throw new Lost(e);
      }
      throw e;
    } finally {
      if (!whole) {
        c.giveUp(call);
      }
    }
  }

  /// Connects to one of the addresses of the host, each in its share of the time.
  private ClientConnection connect(BaseUrl server, Duration limit)
      throws IOException, InterruptedException {
    if (socket != null) {
      return connect(
          server, Loops.unixAddress(UnixDomainSocketAddress.of(socket), Loops.DEFAULT), limit);
    }
    List<InetAddress> addresses = addresses(server.host(), limit);
    int tries = Math.min(addresses.size(), MOST_ADDRESSES);
    for (int k = 0; k < tries - 1; k++) {
      try {
        return connect(server, at(addresses, k, server), limit.dividedBy(tries));
      } catch (NotConnected e) {
        if (e.ours()) {
          throw e;
        }
      }
    }
    return connect(server, at(addresses, tries - 1, server), limit.dividedBy(tries));
  }

  private static SocketAddress at(List<InetAddress> addresses, int k, BaseUrl server) {
    return new InetSocketAddress(addresses.get(k), server.port());
  }

  private ClientConnection connect(BaseUrl server, SocketAddress address, Duration limit)
      throws IOException, InterruptedException {
    ClientConnection made = new ClientConnection(server, server.secure() ? tls : null, kept);
    ChannelFuture f =
        new Bootstrap()
            .group(loops)
            .channel(
                socket == null ? Loops.channel(Loops.DEFAULT) : Loops.unixChannel(Loops.DEFAULT))
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) Math.max(1, limit.toMillis()))
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel c) {
                    c.config().setOption(ChannelOption.TCP_NODELAY, true);
                    made.open(c);
                  }
                })
            .connect(address);
    try {
      f.await();
    } catch (InterruptedException e) {
      f.channel().close();
      throw e;
    }
    if (!f.isSuccess()) {
      throw new NotConnected(
          "cannot connect to "
              + (socket == null ? server.authority() : "unix:" + socket)
              + ": "
              + Unconnected.failure(f.cause(), false).detail(),
          f.cause());
    }
    return made;
  }

  /// A name is looked up on a thread of its own: a resolver that hangs keeps to no limit of ours.
  private List<InetAddress> addresses(String host, Duration limit)
      throws IOException, InterruptedException {
    try {
      if (NUMERIC.matcher(host).matches()) {
        return names.addresses(host);
      }
      if (!LOOKUPS.tryAcquire(limit.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new IOException("host " + host + ": " + MAX_LOOKUPS + " look-ups hang already");
      }
      FutureTask<List<InetAddress>> found = new FutureTask<>(() -> names.addresses(host));
      Thread.ofPlatform()
          .daemon()
          .name("lookup")
          .start(() -> {
            found.run();
            LOOKUPS.release();
          });
      return found.get(limit.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new IOException(
          "host " + host + ": not looked up within " + limit.toMillis() + " ms", e);
    } catch (UnknownHostException | ExecutionException e) {
      throw new IOException("unknown host " + host, e);
    }
  }

  private void secure(Channel channel, BaseUrl server, Duration limit)
      throws IOException, InterruptedException {
    SslHandler handler = channel.pipeline().get(SslHandler.class);
    if (handler == null) {
      throw new IOException(server + " closed the connection at once");
    }
    Future<Channel> handshake = handler.handshakeFuture();
    if (!handshake.await(limit.toMillis())) {
      throw new IOException(
          "no TLS handshake with " + server + " within " + limit.toMillis() + " ms");
    }
    if (!handshake.isSuccess()) {
      throw new IOException(
          "TLS with " + server + ": " + TlsTrouble.detail(handshake.cause(), tls),
          handshake.cause());
    }
  }

  private static BaseUrl server(URI uri) throws IOException {
    BaseUrl url = BaseUrl.parse(uri.getScheme() + "://" + uri.getRawAuthority());
    if (url == null) {
      throw new IOException(BaseUrl.shown(uri.toString()) + " (expected: http://host:port/path)");
    }
    return url;
  }

  private static DefaultFullHttpRequest request(
      String method, URI uri, Headers headers, byte[] body, boolean keeps) {
    String path = uri.getRawPath() == null || uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
    String target = uri.getRawQuery() == null ? path : path + "?" + uri.getRawQuery();
    DefaultFullHttpRequest r =
        new DefaultFullHttpRequest(
            HttpVersion.HTTP_1_1, HttpMethod.valueOf(method), target, Unpooled.wrappedBuffer(body));
    r.headers().set(HttpHeaderNames.HOST, IpText.withoutZone(uri.getRawAuthority()));
    for (Header h : headers.fields()) {
      r.headers().add(h.name(), h.value());
    }
    if (keeps) {
      r.headers().remove(HttpHeaderNames.CONNECTION);
    } else {
      r.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    }
    if (body.length > 0 || method.equals("POST") || method.equals("PUT")) {
      r.headers().set(HttpHeaderNames.CONTENT_LENGTH, body.length);
    }
    return r;
  }

  /// Closes what is kept; the control loop belongs to the process. A call that is under way goes
  /// on.
  @Override
  public void close() {
    if (kept != null) {
      kept.close();
    }
  }

  /// Gathers a whole answer; only its head when it is to have no bytes.
  private static final class Collector implements Listener {
    /// More than tells anything.
    private static final int LONG_BYTES = 64 << 10;

    /// The rest is not wanted.
    private static final class Enough extends IOException {
      private static final long serialVersionUID = 1;
    }

    private final int mostBytes;
    private long seen;
    private final AtomicReference<Reply> head = new AtomicReference<>();
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();

    Collector(int mostBytes) {
      this.mostBytes = mostBytes;
    }

    @Override
    public void head(int status, Headers headers) {
      head.set(new Reply(status, headers, new byte[0]));
    }

    @Override
    public void piece(byte[] piece) throws IOException {
      seen += piece.length;
      if (mostBytes == 0) {
        if (seen > LONG_BYTES) {
          throw new Enough();
        }
        return;
      }
      if (body.size() + piece.length > mostBytes) {
        throw new TooLong("answer larger than " + mostBytes + " bytes");
      }
      body.writeBytes(piece);
    }

    Reply reply() {
      Reply r = head.get();
      return new Reply(r.status(), r.headers(), body.toByteArray());
    }
  }
}
