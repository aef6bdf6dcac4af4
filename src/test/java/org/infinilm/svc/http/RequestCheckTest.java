package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequestCheckTest {
  @ParameterizedTest
  @ValueSource(strings = {"/", "/v1/x?y=%2e%2E&z", "//a/../b", "/a|b^{c}[d]`", "/a?b=c?d&e=/f:@"})
  void pathsWithAQueryAreTargets(String target) {
    assertThat(RequestCheck.isOriginForm(target, true)).isTrue();
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
    assertThat(RequestCheck.isOriginForm(target, true)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "host:8000",
        "host:",
        "host:0",
        "host:65535",
        "[::1]:8000",
        "[::ffff:1.2.3.4]",
        "my_host",
        "1.2.3.4:80",
        "a.b-c.d"
      })
  void hostsWithAnOptionalPortAreAuthorities(String host) {
    assertThat(RequestCheck.isAuthority(host)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ":80",
        "a/b",
        "user@host",
        "a b",
        "a,b",
        "a?b",
        "a#b",
        "a:b",
        "a:b:c",
        "a:1:2",
        "[::1",
        "[::1]x",
        "[]",
        "[::1]80",
        "[gg::1]",
        "::1",
        "a:65536",
        "a:99999999999",
        "a:-1",
        "a:+1",
        "a%00b",
        "a%41",
        "\u00e4",
        "a\tb",
        "a\\b",
        "<a>"
      })
  void whatNamesNoHostIsNoAuthority(String host) {
    assertThat(RequestCheck.isAuthority(host)).isFalse();
    DefaultHttpRequest r = get("/");
    r.headers().set("host", host.replace('\u00e4', '~').replace("\t", " ") + "@");
    assertThat(RequestCheck.refusal(r)).hasFieldOrPropertyWithValue("status", 400);
  }

  private static DefaultHttpRequest get(String target) {
    DefaultHttpRequest r = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, target);
    r.headers().set("host", "x");
    return r;
  }

  @Test
  void headsThatReadTwoWaysAreRefused() {
    DefaultHttpRequest none = new DefaultHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/");
    assertThat(RequestCheck.refusal(none).why()).isEqualTo("no Host header");
    none.headers().add("host", "a").add("Host", "b");
    assertThat(RequestCheck.refusal(none).why()).isEqualTo("several Host headers");
    DefaultHttpRequest old = new DefaultHttpRequest(HttpVersion.HTTP_1_0, HttpMethod.GET, "/");
    assertThat(RequestCheck.refusal(old)).isNull();
    old.headers().add("transfer-encoding", "chunked");
    assertThat(RequestCheck.refusal(old).why()).startsWith("Transfer-Encoding: chunked");
    DefaultHttpRequest twice = get("/");
    twice.headers().add("transfer-encoding", "gzip, chunked");
    assertThat(RequestCheck.refusal(twice).why()).contains("(expected: chunked, once)");
    DefaultHttpRequest many = get("/");
    for (int k = 0; k < 200; k++) {
      many.headers().add("x-" + k, "v");
    }
    assertThat(RequestCheck.refusal(many))
        .isEqualTo(new RequestCheck.Refusal(431, "more than 200 header fields"));
  }

  @ParameterizedTest
  @CsvSource({
    "http://a.b:1/c?d=e, /c?d=e, a.b:1",
    "HTTP://A, /, A",
    "https://a?x, /?x, a",
    "http://a//b/../c, //b/../c, a",
    "http://[::1]:80/%0d%0a, /%0d%0a, [::1]:80"
  })
  void anAbsoluteTargetBecomesOriginFormAndItsAuthorityTheHost(
      String target, String origin, String host) {
    DefaultHttpRequest r = get(target);
    assertThat(RequestCheck.refusal(r)).isNull();
    assertThat(r.uri()).isEqualTo(origin);
    assertThat(r.headers().getAll("host")).containsExactly(host);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://", "http:///a", "http://u@a/", "http://u:p@a/", "ftp://a/", "file:///etc", "a:80",
        "*", "http://a/#b", "http://a:b/", "http:/a", "ws://a/", "http://a/b%zz", "?a"
      })
  void otherTargetsAreRefused(String target) {
    assertThat(RequestCheck.refusal(get(target))).hasFieldOrPropertyWithValue("status", 400);
  }

  @ParameterizedTest
  @ValueSource(strings = {"/%", "/%2", "/a?b=%zz", "http://a/50%%20off"})
  void whoForwardsNothingTakesAPercentThatBeginsNoEscape(String target) {
    assertThat(RequestCheck.refusal(get(target))).hasFieldOrPropertyWithValue("status", 400);
    assertThat(RequestCheck.refusalAtTheEnd(get(target))).isNull();
    assertThat(RequestCheck.refusalAtTheEnd(get(target + "<"))).isNotNull();
  }

  @Test
  void onlyOptionsMayAskAboutTheServer() {
    HttpRequest star = get("*").setMethod(HttpMethod.OPTIONS);
    assertThat(RequestCheck.refusal(star)).isNull();
    HttpRequest absolute = get("http://a").setMethod(HttpMethod.OPTIONS);
    assertThat(RequestCheck.refusal(absolute)).isNull();
    assertThat(absolute.uri()).isEqualTo("*");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "HTTP/1.1 | 100-continue | 0",
        "HTTP/1.1 | 100-Continue, 100-continue | 0",
        "HTTP/1.1 | 100-continue, x | 417",
        "HTTP/1.1 | 200-ok | 417",
        "HTTP/1.1 | '' | 417",
        "HTTP/1.0 | x | 0"
      })
  void onlyOneExpectationIsKnown(String version, String expect, int status) {
    HttpRequest r = get("/").setProtocolVersion(HttpVersion.valueOf(version));
    r.headers().set("expect", expect);
    RequestCheck.Refusal no = RequestCheck.refusal(r);
    assertThat(no == null ? 0 : no.status()).isEqualTo(status);
  }

  @Test
  void aHundredIsForBodiesThatAreAwaited() {
    DefaultHttpRequest r = get("/");
    r.headers().set("expect", "100-continue");
    assertThat(RequestCheck.awaitsContinue(r)).isFalse();
    r.headers().set("content-length", "0");
    assertThat(RequestCheck.awaitsContinue(r)).isFalse();
    r.headers().set("content-length", "1");
    assertThat(RequestCheck.awaitsContinue(r)).isTrue();
    r.setProtocolVersion(HttpVersion.HTTP_1_0);
    assertThat(RequestCheck.awaitsContinue(r)).isFalse();
  }

  @Test
  void anUpgradeCountsOnlyWhereConnectionNamesIt() {
    DefaultHttpRequest r = get("/");
    r.headers().set("upgrade", "h2c, WebSocket");
    assertThat(RequestCheck.wantsWebSocket(r)).isFalse();
    r.headers().set("connection", "keep-alive, Upgrade");
    assertThat(RequestCheck.wantsWebSocket(r)).isTrue();
    r.headers().set("upgrade", "h2c");
    assertThat(RequestCheck.wantsWebSocket(r)).isFalse();
  }
}
