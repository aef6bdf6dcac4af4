package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HopByHopTest {
  @Test
  void fieldsOfOneConnectionAndThoseThatConnectionNamesGo() {
    HttpHeaders h = new DefaultHttpHeaders();
    h.add("Connection", "close, X-One ,x-two");
    h.add("connection", "x-three");
    for (String name :
        new String[] {
          "X-One",
          "x-two",
          "X-Three",
          "Keep-Alive",
          "TE",
          "Trailer",
          "Upgrade",
          "HTTP2-Settings",
          "Proxy-Authenticate",
          "Proxy-Authorization",
          "Proxy-Connection"
        }) {
      h.add(name, "v");
    }
    h.add("Authorization", "a");
    h.add("X-Kept", "1");
    h.add("X-Kept", "2");
    h.add("Transfer-Encoding", "chunked");
    HopByHop.strip(h);
    assertThat(h.names()).containsExactlyInAnyOrder("Authorization", "X-Kept", "Transfer-Encoding");
    assertThat(h.getAll("x-kept")).containsExactly("1", "2");
  }

  @Test
  void connectionCannotTakeAwayFramingOrAddress() {
    HttpHeaders h = new DefaultHttpHeaders();
    h.add("Connection", "content-length, Host, transfer-encoding, authorization");
    h.add("Content-Length", "3").add("Host", "x").add("Authorization", "a");
    HopByHop.strip(h);
    assertThat(h.names()).containsExactlyInAnyOrder("Content-Length", "Host", "Authorization");
  }

  @ParameterizedTest
  @ValueSource(strings = {"/", "/v1/x?y=%2e%2E&z", "//a/../b", "/a|b^{c}[d]`", "/a?b=c?d&e=/f:@"})
  void pathsWithAQueryAreTargets(String target) {
    assertThat(StrictRequestDecoder.isOriginForm(target)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "*",
        "a",
        "http://x/",
        "/a#b",
        "/a\\b",
        "/a b",
        "/\u001b[31m",
        "/\u00e4",
        "/%",
        "/%2",
        "/%zz",
        "/<a>",
        "/\"",
        "/\u007f"
      })
  void otherTargetsAreNone(String target) {
    assertThat(StrictRequestDecoder.isOriginForm(target)).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "host:8000 | -",
        "[::1]:8000 | -",
        "my_host | -",
        "a/b | Host",
        "user@host | Host",
        "a b | Host",
        "a,b | Host",
        "a?b | Host",
      })
  void hostsThatNameNoHostAreRefused(String host, String why) {
    DefaultHttpRequest r = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    r.headers().add("host", host);
    if (why == null) {
      assertThat(StrictRequestDecoder.ambiguity(r)).isNull();
    } else {
      assertThat(StrictRequestDecoder.ambiguity(r)).startsWith(why);
    }
  }

  @Test
  void headsThatReadTwoWaysAreRefused() {
    DefaultHttpRequest none = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    assertThat(StrictRequestDecoder.ambiguity(none)).isEqualTo("no Host header");
    none.headers().add("host", "a").add("Host", "b");
    assertThat(StrictRequestDecoder.ambiguity(none)).isEqualTo("several Host headers");
    DefaultHttpRequest old = new DefaultHttpRequest(HttpVersion.HTTP_1_0, HttpMethod.GET, "/");
    assertThat(StrictRequestDecoder.ambiguity(old)).isNull();
    old.headers().add("transfer-encoding", "chunked");
    assertThat(StrictRequestDecoder.ambiguity(old)).startsWith("Transfer-Encoding: chunked");
    DefaultHttpRequest twice = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    twice.headers().add("host", "a").add("transfer-encoding", "gzip, chunked");
    assertThat(StrictRequestDecoder.ambiguity(twice)).contains("(expected: chunked, once)");
    DefaultHttpRequest many = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    for (int k = 0; k < 201; k++) {
      many.headers().add("x-" + k, "v");
    }
    assertThat(StrictRequestDecoder.ambiguity(many)).isEqualTo("more than 200 header fields");
  }
}
