package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Tls;
import org.jspecify.annotations.Nullable;

/// Tells which entries are one server under several names. One for each table that is made.
/*
 * The same address, port and path are one server, unless it is called by different names: behind one address of
 * an ingress Host and SNI tell servers apart (RFC 9110 section 4.3.3). An address as such, and `localhost`, is
 * no such name; it is taken for the server of the one name that is used there, and for none of several.
 */
final class Servers {
  private record Place(Roster.Entry entry, @Nullable String name) {}

  /// What tells a server from others.
  ///
  /// @param where its address and port
  /// @param name by which it is called there; null for none
  record At(String where, @Nullable String name) {
    static At of(Origin o) {
      return new At(Servers.where(o), Servers.name(o));
    }
  }

  private final Map<String, List<Place>> places = new HashMap<>();
  private final Map<String, Set<String>> names = new HashMap<>();

  /// Adds an entry; those that may stand for others come first.
  void add(Roster.Entry e, At at) {
    String name = at.name();
    String where = at.where();
    places.computeIfAbsent(where, w -> new ArrayList<>(1)).add(new Place(e, name));
    if (name != null) {
      names.computeIfAbsent(where, w -> new HashSet<>(2)).add(name);
    }
  }

  /// The first entry of the server at which an entry is: that entry itself, when it is the first.
  Roster.Entry first(Roster.Entry e, At at) {
    String where = at.where();
    String name = at.name();
    for (Place p : places.getOrDefault(where, List.of())) {
      if (p.entry().equals(e) || same(p.name(), name, names.getOrDefault(where, Set.of()).size())) {
        return p.entry();
      }
    }
    return e;
  }

  private static boolean same(@Nullable String a, @Nullable String b, int namesThere) {
    return a == null && b == null || (a == null || b == null ? namesThere <= 1 : a.equals(b));
  }

  private static String where(Origin at) {
    return at.tls() == null ? at.server() : "https " + at.server();
  }

  /// The name by which a server is told apart from others at its address; null for none.
  private static @Nullable String name(Origin at) {
    Tls tls = at.tls();
    String said = tls == null ? null : tls.serverName();
    String host = said == null ? at.authority().replaceAll(":[0-9]+$", "") : said;
    return host.equalsIgnoreCase("localhost") || Resolver.literal(host) != null
        ? null
        : host.toLowerCase(Locale.ROOT);
  }
}
