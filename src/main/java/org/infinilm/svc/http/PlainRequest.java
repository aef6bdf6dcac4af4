package org.infinilm.svc.http;

import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The head of a request that [HeadScan] found in order, as its bytes: HTTP/1.1, one Host, at most
/// one length, nothing that is expected or offered. Immutable.
final class PlainRequest implements ClientHead {
  private final PlainFields fields;
  private final String method;
  private final String target;
  private final String path;
  private final long length;
  private final boolean keepAlive;

  /// @param length of its body, -1 when it did not say
  PlainRequest(PlainFields fields, String method, String target, long length, boolean keepAlive) {
    this.fields = fields;
    this.method = method;
    this.target = target;
    this.path = ClientHead.super.path();
    this.length = length;
    this.keepAlive = keepAlive;
  }

  PlainFields lines() {
    return fields;
  }

  @Override
  public String method() {
    return method;
  }

  @Override
  public boolean isHttp10() {
    return false;
  }

  @Override
  public String target() {
    return target;
  }

  @Override
  public String path() {
    return path;
  }

  @Override
  public @Nullable String header(String name) {
    return fields.header(name);
  }

  @Override
  public @Nullable String joined(String name) {
    return fields.joined(name);
  }

  @Override
  public boolean keepAlive() {
    return keepAlive;
  }

  @Override
  public boolean framed() {
    return length >= 0;
  }

  @Override
  public long length() {
    return Math.max(0, length);
  }

  @Override
  public boolean takesTrailers() {
    return false;
  }

  @Override
  public List<Header> fields() {
    return fields.all();
  }

  @Override
  public HttpRequest copy() {
    HttpRequest r =
        new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.valueOf(method), target);
    fields.addTo(r.headers());
    return r;
  }
}
