package org.infinilm.svc.discovery;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.dns.DatagramDnsQuery;
import io.netty.handler.codec.dns.DatagramDnsQueryDecoder;
import io.netty.handler.codec.dns.DatagramDnsResponse;
import io.netty.handler.codec.dns.DatagramDnsResponseEncoder;
import io.netty.handler.codec.dns.DefaultDnsQuestion;
import io.netty.handler.codec.dns.DefaultDnsRawRecord;
import io.netty.handler.codec.dns.DefaultDnsResponse;
import io.netty.handler.codec.dns.DnsQuery;
import io.netty.handler.codec.dns.DnsQuestion;
import io.netty.handler.codec.dns.DnsRecordType;
import io.netty.handler.codec.dns.DnsResponse;
import io.netty.handler.codec.dns.DnsResponseCode;
import io.netty.handler.codec.dns.DnsSection;
import io.netty.handler.codec.dns.TcpDnsQueryDecoder;
import io.netty.handler.codec.dns.TcpDnsResponseEncoder;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// A name server on loopback, over UDP and TCP on one port, which says what it is told to.
public final class NameServer implements AutoCloseable {
  private record Held(String name, DnsRecordType type, long ttlSeconds, byte[] content) {}

  private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
  private final Map<String, List<Held>> names = new ConcurrentHashMap<>();
  private final List<String> asked = new CopyOnWriteArrayList<>();
  private final Channel udp;
  private final Channel tcp;
  private final Map<String, DnsResponseCode> codes = new ConcurrentHashMap<>();
  private volatile DnsResponseCode code = DnsResponseCode.NOERROR;
  private final Set<String> silentFor = ConcurrentHashMap.newKeySet();
  private volatile boolean silent;
  private volatile int mostOverUdp = 20;
  private volatile DnsResponseCode toEdns = DnsResponseCode.NOERROR;

  public NameServer() throws Exception {
    tcp =
        new ServerBootstrap()
            .group(loop)
            .channel(NioServerSocketChannel.class)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel c) {
                    c.pipeline()
                        .addLast(
                            new TcpDnsQueryDecoder(), new TcpDnsResponseEncoder(), new OverTcp());
                  }
                })
            .bind(InetAddress.getLoopbackAddress(), 0)
            .sync()
            .channel();
    udp =
        new Bootstrap()
            .group(loop)
            .channel(NioDatagramChannel.class)
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel c) {
                    c.pipeline()
                        .addLast(
                            new DatagramDnsQueryDecoder(),
                            new DatagramDnsResponseEncoder(),
                            new OverUdp());
                  }
                })
            .bind(
                InetAddress.getLoopbackAddress(),
                ((InetSocketAddress) tcp.localAddress()).getPort())
            .sync()
            .channel();
  }

  /// `address:port`.
  public String at() {
    return "127.0.0.1:" + ((InetSocketAddress) udp.localAddress()).getPort();
  }

  /// What a name is from now on; nothing for one that does not exist.
  public void addresses(String name, long ttlSeconds, String... literals) {
    List<Held> all = new ArrayList<>();
    for (String l : literals) {
      InetAddress a = InetAddress.ofLiteral(l);
      all.add(
          new Held(
              name,
              l.contains(":") ? DnsRecordType.AAAA : DnsRecordType.A,
              ttlSeconds,
              a.getAddress()));
    }
    put(name, all);
  }

  public void alias(String name, long ttlSeconds, String of) {
    put(name, List.of(new Held(name, DnsRecordType.CNAME, ttlSeconds, encoded(of))));
  }

  /// Aliases that are said in one answer, each of the next.
  public void aliases(long ttlSeconds, String... names) {
    List<Held> all = new ArrayList<>();
    for (int k = 0; k + 1 < names.length; k++) {
      all.add(new Held(names[k], DnsRecordType.CNAME, ttlSeconds, encoded(names[k + 1])));
    }
    put(names[0], all);
  }

  /// @param services `priority weight port target` each
  public void services(String name, long ttlSeconds, String... services) {
    List<Held> all = new ArrayList<>();
    for (String s : services) {
      String[] p = s.split(" ");
      ByteBuf b = Unpooled.buffer();
      for (int k = 0; k < 3; k++) {
        b.writeShort(Integer.parseInt(p[k]));
      }
      b.writeBytes(encoded(p[3]));
      byte[] content = new byte[b.readableBytes()];
      b.readBytes(content);
      all.add(new Held(name, DnsRecordType.SRV, ttlSeconds, content));
    }
    put(name, all);
  }

  private void put(String name, List<Held> all) {
    if (all.isEmpty()) {
      names.remove(NameServers.canonical(name));
    } else {
      names.put(NameServers.canonical(name), all);
    }
  }

  /// What it answers to every question from now on; NOERROR to say what it knows.
  public void says(DnsResponseCode always) {
    code = always;
  }

  /// What it answers to every question for one name; NOERROR to say what it knows.
  public void says(String name, DnsResponseCode always) {
    codes.put(NameServers.canonical(name), always);
  }

  /// What it answers to every question with EDNS from now on, as one that does not know it.
  public void saysToEdns(DnsResponseCode always) {
    toEdns = always;
  }

  public void silent(boolean on) {
    silent = on;
  }

  /// Whether it says nothing over UDP to questions for one name.
  public void silent(String name, boolean on) {
    if (on) {
      silentFor.add(NameServers.canonical(name));
    } else {
      silentFor.remove(NameServers.canonical(name));
    }
  }

  /// Records that it says over UDP before it cuts an answer off.
  public void mostOverUdp(int records) {
    mostOverUdp = records;
  }

  /// Has connections over TCP refused from now on.
  public void refuseTcp() throws InterruptedException {
    tcp.close().sync();
  }

  /// Questions so far, `udp|tcp NAME TYPE`.
  public List<String> asked() {
    return List.copyOf(asked);
  }

  private static byte[] encoded(String name) {
    ByteBuf b = Unpooled.buffer();
    for (String label : NameServers.canonical(name).split("\\.")) {
      b.writeByte(label.length()).writeBytes(label.getBytes(US_ASCII));
    }
    b.writeByte(0);
    byte[] out = new byte[b.readableBytes()];
    b.readBytes(out);
    return out;
  }

  private void answer(DnsQuery query, DnsResponse to, boolean overTcp) {
    DnsQuestion q = query.recordAt(DnsSection.QUESTION);
    asked.add((overTcp ? "tcp " : "udp ") + q.name() + " " + q.type().name());
    to.addRecord(DnsSection.QUESTION, new DefaultDnsQuestion(q.name(), q.type()));
    to.setRecursionAvailable(true);
    if (query.count(DnsSection.ADDITIONAL) > 0 && !toEdns.equals(DnsResponseCode.NOERROR)) {
      to.setCode(toEdns);
      return;
    }
    List<Held> held = names.get(NameServers.canonical(q.name()));
    DnsResponseCode says = codes.getOrDefault(NameServers.canonical(q.name()), code);
    if (!says.equals(DnsResponseCode.NOERROR) || held == null) {
      to.setCode(
          held == null && says.equals(DnsResponseCode.NOERROR) ? DnsResponseCode.NXDOMAIN : says);
      return;
    }
    int n = 0;
    for (Held h : held) {
      if (h.type().equals(q.type()) || h.type().equals(DnsRecordType.CNAME)) {
        if (!overTcp && n++ >= mostOverUdp) {
          to.setTruncated(true);
          return;
        }
        to.addRecord(
            DnsSection.ANSWER,
            new DefaultDnsRawRecord(
                h.name(), h.type(), h.ttlSeconds(), Unpooled.wrappedBuffer(h.content())));
      }
    }
  }

  private final class OverUdp extends SimpleChannelInboundHandler<DatagramDnsQuery> {
    @Override
    protected void channelRead0(ChannelHandlerContext ctx, DatagramDnsQuery q) {
      InetSocketAddress here = q.recipient();
      DatagramDnsResponse r = new DatagramDnsResponse(here, q.sender(), q.id());
      answer(q, r, false);
      DnsQuestion question = q.recordAt(DnsSection.QUESTION);
      if (silent || silentFor.contains(NameServers.canonical(question.name()))) {
        r.release();
      } else {
        ctx.writeAndFlush(r);
      }
    }
  }

  private final class OverTcp extends SimpleChannelInboundHandler<DnsQuery> {
    @Override
    protected void channelRead0(ChannelHandlerContext ctx, DnsQuery q) {
      DnsResponse r = new DefaultDnsResponse(q.id());
      answer(q, r, true);
      ctx.writeAndFlush(r);
    }
  }

  @Override
  public void close() {
    udp.close();
    tcp.close();
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
