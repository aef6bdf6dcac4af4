package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BaseUrlTest {
  private static BaseUrl parse(String url) {
    BaseUrl u = BaseUrl.parse(url);
    assertThat(u).as(url).isNotNull();
    return u;
  }

  @ParameterizedTest
  @CsvSource({
    "http://h:1, /v1/chat/completions, http://h:1/v1/chat/completions, /v1/chat/completions",
    "http://h:1/v1, /v1/chat/completions, http://h:1/v1/chat/completions, /v1/chat/completions",
    "http://h:1/v1/, /v1/models, http://h:1/v1/models, /v1/models",
    "http://h:1/v1, /health, http://h:1/health, /health",
    "http://h:1/v1, /v1, http://h:1/v1, /v1",
    "http://h:1/openai/v1, /v1/models, http://h:1/openai/v1/models, /openai/v1/models",
    "http://h:1/openai/v1, /health, http://h:1/openai/health, /openai/health",
    "http://h:1/openai, /v1/models?x=1, http://h:1/openai/v1/models?x=1, /openai/v1/models?x=1",
    "http://h:1/xv1, /v1/models, http://h:1/xv1/v1/models, /xv1/v1/models",
    "https://h, /v1/models, https://h:443/v1/models, /v1/models",
    "HTTPS://[::1]/v1, /v1/models, https://[::1]:443/v1/models, /v1/models",
  })
  void targetsStandBehindTheBase(String base, String target, String url, String sent)
      throws Exception {
    BaseUrl b = parse(base);
    assertThat(b.at(target)).isEqualTo(url);
    assertThat(Origin.of(b, InetAddress.getLoopbackAddress(), null).target(target)).isEqualTo(sent);
  }

  @ParameterizedTest
  @CsvSource({
    "http://user:s3cret@h:1/v1, http://...@h:1/v1",
    "http://h:1/?token=s3cret, http://h:1/?...",
    "http://u:s3cret@h:1?a=s3cret&b, http://...@h:1?...",
    "h:1/v1?x, h:1/v1?x",
    "http://h:1/v1, http://h:1/v1",
  })
  void messagesShowNoUsersPasswordsAndQueries(String url, String shown) {
    assertThat(BaseUrl.shown(url)).isEqualTo(shown);
    assertThat(BaseUrl.shown("\"" + url + "\" and more")).isEqualTo("\"" + shown + "\" and more");
  }

  /// Each command had its own idea of what it takes.
  @ParameterizedTest
  @CsvSource({
    "h, http://h:80",
    "h:8000, http://h:8000",
    "my_host:8000/ui, http://my_host:8000",
    "HTTPS://h/ui/, https://h:443",
    "'  http://h:1/a/v1/ ', http://h:1/a",
    "http://h:1/ui/x, http://h:1/ui/x",
    "http://127.0.0.1., http://127.0.0.1:80",
    "h.example., http://h.example.:80",
    "::1, http://[::1]:80",
    "fe80::1/v1, http://[fe80::1]:80",
    "[::1]:9, http://[::1]:9",
    "0:0:0:0:0:0:0:1, http://[::1]:80",
    "https://[2001:DB8:0:0::A]:9/v1, https://[2001:db8::a]:9",
    "[::ffff:10.0.0.1]:9, http://10.0.0.1:9"
  })
  void whatPeopleTypeIsRead(String text, String url) {
    assertThat(BaseUrl.typed(text)).as(text).hasToString(url);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "http://", "ftp://h", "h:x", "h:", "1:2:3", "u:p@h", "h:99999", "h?q", "[::1"})
  void whatIsNoAddressIsNone(String text) {
    assertThat(BaseUrl.typed(text)).as(text).isNull();
  }

  @Test
  void aUrlReadsBackAsItWasGiven() {
    assertThat(parse("https://h:8443/a/v1/")).hasToString("https://h:8443/a/v1");
    assertThat(parse("http://h").toString()).isEqualTo("http://h:80");
  }

  @ParameterizedTest
  @CsvSource({
    "http://[::1]:1, http://[0:0:0:0:0:0:0:1]:1, true",
    "http://[2001:db8::1]:1/v1, http://[2001:DB8:0::1]:1/v1/, true",
    "http://h, http://h:80/, true",
    "x, x, true",
    "x, y, false",
    "http://[::1]:1, http://[::2]:1, false",
    "http://[::1]:1, http://[::1]:2, false",
    "http://[::1]:1, https://[::1]:1, false",
    "http://[::1]:1, x, false",
  })
  void onePlaceIsOneHoweverItIsWritten(String a, String b, boolean same) {
    assertThat(BaseUrl.same(a, b)).isEqualTo(same);
    assertThat(BaseUrl.same(b, a)).isEqualTo(same);
  }

  /// Connections are kept, and servers known, by these.
  @Test
  void anAddressOfIpv6IsOneOriginHoweverItIsWritten() throws Exception {
    InetAddress a = InetAddress.getByName("2001:db8::1");
    Origin one = Origin.of(parse("http://[2001:db8::1]:80"), a, null);
    assertThat(one).isEqualTo(Origin.of(parse("http://[2001:DB8:0:0:0:0:0:1]:80"), a, null));
    assertThat(one.server()).isEqualTo("[2001:db8::1]:80");
    assertThat(one.authority()).isEqualTo("[2001:db8::1]:80");
  }

  /// Interfaces tell servers of one address apart; servers know nothing of them.
  @Test
  void aZoneStaysInTheAuthorityAndOutOfTheHostField() throws Exception {
    InetAddress a = InetAddress.getByName("fe80::1");
    Origin one = Origin.of(parse("http://[fe80::1%4]:80"), a, null);
    assertThat(one).isNotEqualTo(Origin.of(parse("http://[fe80::1%5]:80"), a, null));
    assertThat(one.hostField()).isEqualTo("[fe80::1]:80");
  }

  /// Connections are kept apart by what makes them safe.
  @Test
  void originsDifferByHowTheyAreReached() throws Exception {
    InetAddress a = InetAddress.getLoopbackAddress();
    Origin plain = Origin.of(parse("http://h:1"), a, null);
    Origin secure = Origin.of(parse("https://h:1"), a, null);
    Origin named = Origin.of(parse("https://h:1"), a, Tls.of(null, "other"));
    assertThat(plain.tls()).isNull();
    assertThat(plain).isEqualTo(Origin.of(parse("http://h:1"), a, Tls.of(null, "other")));
    assertThat(secure).isNotEqualTo(plain).isNotEqualTo(named);
    assertThat(named).isEqualTo(Origin.of(parse("https://h:1"), a, Tls.of(null, "other")));
    assertThat(Origin.of(parse("https://[::1]:1"), a, null).host()).isEqualTo("[::1]");
  }
}
