package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;

/// A head as Envoy tells it: names in lower case, pseudo-fields among them. Immutable.
record Fields(HeaderMap map) implements RequestHead, ResponseHead {
  private static final String METHOD = ":method";
  private static final String PATH = ":path";
  private static final String STATUS = ":status";
  private static final int MOST_STATUS = 999;

  @Override
  public @Nullable String header(String name) {
    for (HeaderValue h : map.getHeadersList()) {
      if (h.getKey().equals(name)) {
        return value(h);
      }
    }
    return null;
  }

  @Override
  public @Nullable String joined(String name) {
    List<String> all = new ArrayList<>();
    for (HeaderValue h : map.getHeadersList()) {
      if (h.getKey().equals(name)) {
        all.add(value(h));
      }
    }
    return all.isEmpty() ? null : String.join(", ", all);
  }

  private static String value(HeaderValue h) {
    ByteString raw = h.getRawValue();
    return raw.isEmpty() ? h.getValue() : raw.toString(ISO_8859_1);
  }

  /// Bytes of the body, as `content-length` says; -1 when it says nothing that is a number.
  long length() {
    String v = header("content-length");
    try {
      return v == null ? -1 : Math.max(-1, Long.parseLong(v.strip()));
    } catch (NumberFormatException notOne) {
      return -1;
    }
  }

  /// Whether a field is there.
  boolean has(String name) {
    return header(name) != null;
  }

  /// Whether it says what a request is.
  boolean isRequest() {
    return has(METHOD) && has(PATH);
  }

  @Override
  public String method() {
    return told(METHOD);
  }

  @Override
  public String target() {
    return told(PATH);
  }

  private String told(String name) {
    String v = header(name);
    return v == null ? "" : v;
  }

  @Override
  public boolean isHttp10() {
    return false;
  }

  /// 0 for none that is one.
  @Override
  public int status() {
    String s = told(STATUS);
    boolean number = !s.isEmpty() && s.length() <= 3 && s.chars().allMatch(Character::isDigit);
    int n = number ? Integer.parseInt(s) : 0;
    return n > MOST_STATUS ? 0 : n;
  }

  /// All but the pseudo-fields, as they came.
  List<Header> plain() {
    List<Header> out = new ArrayList<>();
    for (HeaderValue h : map.getHeadersList()) {
      if (!h.getKey().startsWith(":")) {
        out.add(new Header(h.getKey(), value(h)));
      }
    }
    return out;
  }
}
