package org.infinilm.svc.discovery;

import io.netty.buffer.ByteBuf;
import io.netty.channel.AddressedEnvelope;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioDatagramChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.dns.DefaultDnsQuestion;
import io.netty.handler.codec.dns.DefaultDnsRecordDecoder;
import io.netty.handler.codec.dns.DnsQuestion;
import io.netty.handler.codec.dns.DnsRawRecord;
import io.netty.handler.codec.dns.DnsRecord;
import io.netty.handler.codec.dns.DnsRecordType;
import io.netty.handler.codec.dns.DnsResponse;
import io.netty.handler.codec.dns.DnsResponseCode;
import io.netty.handler.codec.dns.DnsSection;
import io.netty.resolver.dns.DnsNameResolver;
import io.netty.resolver.dns.DnsNameResolverBuilder;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.infinilm.svc.http.IpText;
import org.jspecify.annotations.Nullable;

/// Asks name servers and tells their answers with the time that they hold. Nothing is kept. Callers
/// wait; a thread of its own speaks. An answer that was cut off is asked for again over TCP.
/*
 * RFC 1035: the time of an answer is the least of all records that lead to it, aliases (CNAME) included. RFC 2308:
 * a name that does not exist (NXDOMAIN), or has no record of a type, is an answer; a server that fails, refuses or
 * says nothing has given none, and the next one is asked.
 */
final class NameServers implements AutoCloseable {
  private static final long TIMEOUT_MILLIS = 2000;
  private static final int MOST_PAYLOAD_BYTES = 1232;
  private static final int MOST_ALIASES = 8;
  private static final int MOST_SERVERS = 4;
  private static final int SRV_HEAD_BYTES = 6;

  /// @param weight and priority of SRV records, else 0
  /// @param target an address, or the host's name of an SRV record
  record Answered(String target, int port, int priority, int weight) {}

  /// What came of a question.
  ///
  /// @param failure why there was no answer, or null
  /// @param byCode whether a server said an error code; not where none said a word, or one that
  ///   cannot be used
  /// @param records none for a name that has none
  /// @param ttlSeconds how long the answer holds, 0 where it has no records
  /// @param without full names that were said to have none
  record Answer(
      @Nullable String failure,
      boolean byCode,
      List<Answered> records,
      long ttlSeconds,
      List<String> without) {
    static Answer failed(String why) {
      return new Answer(why, false, List.of(), 0, List.of());
    }

    static Answer failedByCode(String why) {
      return new Answer(why, true, List.of(), 0, List.of());
    }

    static Answer found(List<Answered> records, long ttlSeconds) {
      return new Answer(null, false, records, ttlSeconds, List.of());
    }
  }

  private final EventLoopGroup loop;
  private final DnsNameResolver resolver;

  /// Asks without EDNS.
  private final DnsNameResolver plain;

  /// Servers that know no EDNS.
  private final Set<InetSocketAddress> old = new HashSet<>();

  private final @Nullable InetSocketAddress only;
  private final Supplier<ResolvConf> conf;

  /// Where a name was found last, with its domain, by the name as it is asked for and the type.
  private final Map<String, String> lastFull = new HashMap<>();

  /// @param server the one to ask, `address:port`; null for those of the system
  /// @param conf asked for at each question
  NameServers(@Nullable String server, Supplier<ResolvConf> conf) {
    this.conf = conf;
    only = server == null ? null : address(server);
    loop =
        new MultiThreadIoEventLoopGroup(
            1, new DefaultThreadFactory("name-servers", true), NioIoHandler.newFactory());
    resolver = resolver(true);
    plain = resolver(false);
  }

  private DnsNameResolver resolver(boolean edns) {
    return new DnsNameResolverBuilder(loop.next())
        .datagramChannelType(NioDatagramChannel.class)
        .socketChannelType(NioSocketChannel.class)
        .queryTimeoutMillis(TIMEOUT_MILLIS)
        .maxPayloadSize(MOST_PAYLOAD_BYTES)
        .optResourceEnabled(edns)
        .build();
  }

  private static InetSocketAddress address(String server) {
    int colon = server.lastIndexOf(':');
    String host = server.substring(0, colon).replaceAll("[\\[\\]]", "");
    return new InetSocketAddress(
        InetAddress.ofLiteral(host), Integer.parseInt(server.substring(colon + 1)));
  }

  /// Asks for a name, in the domains in which the system would look for it.
  Answer ask(String name, DnsRecordType type) throws InterruptedException {
    return ask(name, type, conf.get().candidates(name));
  }

  /// Asks for the addresses of a name likewise: those of IPv4, and of IPv6 where it has no others.
  Answer addresses(String name) throws InterruptedException {
    List<String> all = conf.get().candidates(name);
    Answer four = ask(name, DnsRecordType.A, all);
    if (!four.records().isEmpty() || four.without().isEmpty()) {
      return four;
    }
    String last = lastFull.get(key(name, DnsRecordType.AAAA));
    if (last != null && all.contains(last) && !four.without().contains(last)) {
      return four;
    }
    // where it is not known whether it has any of IPv4, those of IPv6 do not count
    Answer six = ask(name, DnsRecordType.AAAA, four.without());
    return four.failure() == null || !six.records().isEmpty() ? six : four;
  }

  /// @param among full names, in order
  /*
   * As in the system's own resolver one domain with an error code does not hide the name in those behind it, and
   * silence ends the look: a lost packet must not lead to another server of that name. That it is in none is said
   * only when all have said so, and where it was found last, if that is among them no more (a file that is just
   * being written); and where it was found last is not looked past while that one fails.
   */
  private Answer ask(String name, DnsRecordType type, List<String> among)
      throws InterruptedException {
    String last = lastFull.get(key(name, type));
    List<String> without = new ArrayList<>();
    Answer failed = null;
    for (String full : among) {
      Answer a = askFully(full, type);
      if (!a.records().isEmpty()) {
        if (!name.endsWith(".")) {
          lastFull.put(key(name, type), full);
        }
        return a;
      }
      if (a.failure() == null) {
        without.add(full);
        lastFull.remove(key(name, type), full);
      } else if (full.equals(last)) {
        return a;
      } else if (!a.byCode()) {
        failed = a;
        break;
      } else if (failed == null) {
        failed = a;
      }
    }
    if (failed == null && last != null && !among.contains(last)) {
      Answer a = askFully(last, type);
      if (!a.records().isEmpty()) {
        return a;
      }
      if (a.failure() == null) {
        // remembered still: it has to say so twice
        without.add(last);
      } else {
        failed = a;
      }
    }
    return new Answer(
        failed == null ? null : failed.failure(), false, List.of(), 0, List.copyOf(without));
  }

  private static String key(String name, DnsRecordType type) {
    return name + " " + type.name();
  }

  private Answer askFully(String name, DnsRecordType type) throws InterruptedException {
    Answer failed = Answer.failed(name + ": no name server");
    for (InetSocketAddress server : servers()) {
      Answer a = askOne(server, name, type);
      if (a.failure() == null) {
        return a;
      }
      if (a.byCode() || !failed.byCode()) {
        failed = a;
      }
    }
    return failed;
  }

  private List<InetSocketAddress> servers() {
    if (only != null) {
      return List.of(only);
    }
    List<InetSocketAddress> all = conf.get().servers();
    return all.subList(0, Math.min(all.size(), MOST_SERVERS));
  }

  /// Asks once, or a second time without EDNS where the server does not know it (RFC 6891, section
  /// 7); that is remembered.
  private Future<AddressedEnvelope<DnsResponse, InetSocketAddress>> query(
      InetSocketAddress server, DnsQuestion question) throws InterruptedException {
    if (old.contains(server)) {
      return plain.query(server, question).await();
    }
    Future<AddressedEnvelope<DnsResponse, InetSocketAddress>> first =
        resolver.query(server, question).await();
    if (!first.isSuccess() || !mayMeanEdns(first.getNow().content().code())) {
      return first;
    }
    Future<AddressedEnvelope<DnsResponse, InetSocketAddress>> second =
        plain.query(server, question).await();
    if (!second.isSuccess()) {
      return first;
    }
    if (mayMeanEdns(second.getNow().content().code())) {
      second.getNow().release();
      return first;
    }
    first.getNow().release();
    old.add(server);
    return second;
  }

  private static boolean mayMeanEdns(DnsResponseCode code) {
    return code.equals(DnsResponseCode.FORMERR) || code.equals(DnsResponseCode.NOTIMP);
  }

  /// Follows aliases, where the server leaves that to who asks.
  private Answer askOne(InetSocketAddress server, String name, DnsRecordType type)
      throws InterruptedException {
    long ttl = Long.MAX_VALUE;
    String asked = name;
    for (int k = 0; k <= MOST_ALIASES; k++) {
      Future<AddressedEnvelope<DnsResponse, InetSocketAddress>> f =
          query(server, new DefaultDnsQuestion(asked, type));
      if (!f.isSuccess()) {
        return Answer.failed(asked + ": name server " + shown(server) + " does not answer");
      }
      AddressedEnvelope<DnsResponse, InetSocketAddress> envelope = f.getNow();
      try {
        DnsResponse response = envelope.content();
        DnsResponseCode code = response.code();
        if (!code.equals(DnsResponseCode.NOERROR) && !code.equals(DnsResponseCode.NXDOMAIN)) {
          return Answer.failedByCode(
              asked + ": name server " + shown(server) + " says " + word(code));
        }
        if (response.isTruncated()) {
          // what came over UDP is handed on where TCP failed
          return Answer.failed(
              asked
                  + ": name server "
                  + shown(server)
                  + " says a part (expected: all of it, over TCP)");
        }
        Chain c = new Chain(response, asked, type);
        if (c.circle) {
          return Answer.failed(asked + ": aliases in a circle");
        }
        ttl = Math.min(ttl, c.ttlSeconds);
        if (!c.records.isEmpty()) {
          return Answer.found(c.records, ttl);
        }
        if (c.end.equals(canonical(asked)) || code.equals(DnsResponseCode.NXDOMAIN)) {
          return Answer.found(List.of(), 0);
        }
        asked = c.end;
      } catch (RuntimeException e) {
        return Answer.failed(
            asked + ": name server " + shown(server) + " says what cannot be read");
      } finally {
        envelope.release();
      }
    }
    return Answer.failed(name + ": more than " + MOST_ALIASES + " aliases");
  }

  private static String word(DnsResponseCode code) {
    return code.equals(DnsResponseCode.SERVFAIL) ? "SERVFAIL" : code.toString();
  }

  private static String shown(InetSocketAddress a) {
    return IpText.of(a);
  }

  static String canonical(String name) {
    String n = name.toLowerCase(Locale.ROOT);
    return n.endsWith(".") ? n : n + ".";
  }

  /// What a response says of a name, through its aliases.
  private static final class Chain {
    final List<Answered> records = new ArrayList<>();
    String end;
    long ttlSeconds = Long.MAX_VALUE;
    boolean circle;

    Chain(DnsResponse response, String asked, DnsRecordType type) {
      Map<String, DnsRawRecord> aliases = new HashMap<>();
      int n = response.count(DnsSection.ANSWER);
      for (int k = 0; k < n; k++) {
        DnsRecord r = response.recordAt(DnsSection.ANSWER, k);
        if (r.type().equals(DnsRecordType.CNAME) && r instanceof DnsRawRecord raw) {
          aliases.putIfAbsent(canonical(r.name()), raw);
        }
      }
      end = canonical(asked);
      Set<String> been = new HashSet<>();
      while (aliases.containsKey(end)) {
        if (!been.add(end)) {
          circle = true;
          return;
        }
        DnsRawRecord alias = aliases.get(end);
        ttlSeconds = Math.min(ttlSeconds, alias.timeToLive());
        end = canonical(name(alias.content()));
      }
      for (int k = 0; k < n; k++) {
        DnsRecord r = response.recordAt(DnsSection.ANSWER, k);
        if (r.type().equals(type)
            && canonical(r.name()).equals(end)
            && r instanceof DnsRawRecord raw) {
          records.add(answered(raw, type));
          ttlSeconds = Math.min(ttlSeconds, r.timeToLive());
        }
      }
    }

    private static String name(ByteBuf content) {
      return DefaultDnsRecordDecoder.decodeName(content.duplicate());
    }

    private static Answered answered(DnsRawRecord r, DnsRecordType type) {
      ByteBuf content = r.content();
      int at = content.readerIndex();
      if (type.equals(DnsRecordType.SRV)) {
        String target = canonical(name(content.duplicate().skipBytes(SRV_HEAD_BYTES)));
        return new Answered(
            target,
            content.getUnsignedShort(at + 4),
            content.getUnsignedShort(at),
            content.getUnsignedShort(at + 2));
      }
      byte[] address = new byte[content.readableBytes()];
      content.getBytes(at, address);
      try {
        return new Answered(IpText.of(InetAddress.getByAddress(address)), 0, 0, 0);
      } catch (UnknownHostException e) {
        throw new IllegalArgumentException("an address of " + address.length + " bytes", e);
      }
    }
  }

  @Override
  public void close() {
    resolver.close();
    plain.close();
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
