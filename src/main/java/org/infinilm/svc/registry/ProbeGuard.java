package org.infinilm.svc.registry;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.infinilm.svc.http.BaseUrl;
import org.jspecify.annotations.Nullable;

/// Which addresses may be registered and asked for their health: none that is link-local, multicast
/// or the metadata service of a cloud, unless allowed. Thread-safe.
final class ProbeGuard {
  /// A range of addresses, `10.0.0.0/8`.
  record Range(byte[] address, int bits) {
    /// @throws IllegalArgumentException when it is none
    static Range parse(String cidr) {
      String[] parts = cidr.strip().split("/", -1);
      try {
        if (parts.length <= 2 && isNumeric(parts[0])) {
          byte[] address = InetAddress.getByName(parts[0]).getAddress();
          int bits = parts.length == 1 ? address.length * 8 : Integer.parseInt(parts[1]);
          if (bits >= 0 && bits <= address.length * 8) {
            return new Range(address, bits);
          }
        }
      } catch (UnknownHostException | NumberFormatException noRange) {
        // falls through to the one message
      }
      throw new IllegalArgumentException("(expected: ADDRESS/BITS, for example 169.254.0.0/16)");
    }

    boolean contains(byte[] other) {
      if (other.length != address.length) {
        return false;
      }
      for (int bit = 0; bit < bits; bit++) {
        int mask = 0x80 >> (bit % 8);
        if ((other[bit / 8] & mask) != (address[bit / 8] & mask)) {
          return false;
        }
      }
      return true;
    }
  }

  private static final Pattern NUMERIC = Pattern.compile("[0-9.]+|[0-9a-fA-F.:]*:[0-9a-fA-F.:%]*");

  /// Link-local, metadata services (AWS and most others are link-local), multicast, broadcast.
  private static final List<Range> CLOSED =
      ranges(
          "169.254.0.0/16,fe80::/10,fd00:ec2::254,100.100.100.200,168.63.129.16,192.0.0.192,"
              + "224.0.0.0/4,ff00::/8,255.255.255.255");

  private static final byte[] NAT64 = {0, 0x64, (byte) 0xff, (byte) 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  private static final int LOOKUPS = 16;

  private final List<Range> allowed;

  /// Name lookups may hang for long, and hold a virtual thread's carrier.
  private final ThreadPoolExecutor lookups =
      new ThreadPoolExecutor(
          LOOKUPS,
          LOOKUPS,
          10,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          r -> Thread.ofPlatform().daemon().name("lookup").unstarted(r));

  /// @param allowed ranges that are open although they are closed by default
  ProbeGuard(List<Range> allowed) {
    this.allowed = List.copyOf(allowed);
    lookups.allowCoreThreadTimeOut(true);
  }

  /// Comma-separated ranges.
  ///
  /// @throws IllegalArgumentException for what is none
  static List<Range> ranges(String list) {
    List<Range> out = new ArrayList<>();
    for (String s : list.split(",", -1)) {
      if (!s.isBlank()) {
        out.add(Range.parse(s));
      }
    }
    return out;
  }

  /// Refuses an entry that gives a closed address as it is; names are looked up only when probed.
  void requireOpen(Entry e) throws Refused {
    requireOpen("host", bare(e.host()));
    BaseUrl url = BaseUrl.parse(e.url());
    if (url != null) {
      requireOpen("url", bare(url.host()));
    }
  }

  private void requireOpen(String field, String host) throws Refused {
    if (!isNumeric(host)) {
      return;
    }
    try {
      if (!isOpen(InetAddress.getByName(host))) {
        throw new Refused(
            422,
            field
                + ": "
                + host
                + " is link-local, multicast or a metadata service (expected: the address of a"
                + " server; the registry's --allow-probe CIDR allows more)");
      }
    } catch (UnknownHostException notAnAddress) {
      // a name that only looks like one
    }
  }

  enum Verdict {
    OPEN,
    CLOSED,
    /// No address is known in time: that says nothing about the service.
    UNKNOWN
  }

  /// Whether every address that the host of `uri` has now may be asked.
  Verdict verdict(URI uri, long timeoutNanos) throws InterruptedException {
    BaseUrl base = BaseUrl.parse(uri.getScheme() + "://" + uri.getRawAuthority());
    if (base == null) {
      return Verdict.CLOSED;
    }
    InetAddress[] addresses = lookUp(bare(base.host()), timeoutNanos);
    if (addresses == null) {
      return Verdict.UNKNOWN;
    }
    for (InetAddress a : addresses) {
      if (!isOpen(a)) {
        return Verdict.CLOSED;
      }
    }
    return Verdict.OPEN;
  }

  private InetAddress @Nullable [] lookUp(String host, long timeoutNanos)
      throws InterruptedException {
    try {
      if (isNumeric(host)) {
        return InetAddress.getAllByName(host);
      }
      CompletableFuture<InetAddress[]> found = new CompletableFuture<>();
      lookups.execute(() -> {
        try {
          found.complete(InetAddress.getAllByName(host));
        } catch (UnknownHostException | RuntimeException e) {
          found.completeExceptionally(e);
        }
      });
      return found.get(timeoutNanos, TimeUnit.NANOSECONDS);
    } catch (UnknownHostException | ExecutionException | TimeoutException none) {
      return null;
    }
  }

  boolean isOpen(InetAddress a) {
    byte[] bytes = a.getAddress();
    if (allowed.stream().anyMatch(r -> r.contains(bytes))) {
      return true;
    }
    byte[] inside = embedded(bytes);
    return CLOSED.stream()
        .noneMatch(r -> r.contains(bytes) || (inside.length > 0 && r.contains(inside)));
  }

  /// The IPv4 address that an IPv6 address leads to: NAT64 (RFC 6052, the well-known prefix), 6to4
  /// (RFC 3056), IPv4-compatible (RFC 4291); empty for another.
  private static byte[] embedded(byte[] a) {
    if (a.length != 16) {
      return new byte[0];
    }
    if (a[0] == 0x20 && a[1] == 2) {
      return Arrays.copyOfRange(a, 2, 6);
    }
    byte[] prefix = Arrays.copyOf(a, 12);
    boolean known = Arrays.equals(prefix, NAT64) || Arrays.equals(prefix, new byte[12]);
    return known ? Arrays.copyOfRange(a, 12, 16) : new byte[0];
  }

  private static boolean isNumeric(String host) {
    return NUMERIC.matcher(host).matches();
  }

  private static String bare(String host) {
    return host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
  }
}
