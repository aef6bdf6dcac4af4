package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Locale;
import java.util.zip.GZIPOutputStream;
import org.infinilm.svc.http.StrictReader;
import org.junit.jupiter.api.Test;

/// Trailer fields of requests go on behind whatever body an instance gets (RFC 9110 section 6.5).
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RequestTrailersIT {
  private static final String TRAILERS =
      "X-Sum: 7\r\nX-One: 1\r\nCookie: a=b\r\nContent-Length: 9\r\nX-End: z\r\n";

  private static String chunked(String fields, String body, String trailers) {
    return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: x-one\r\n"
        + fields
        + "Transfer-Encoding: chunked\r\n\r\n"
        + Integer.toHexString(body.length())
        + "\r\n"
        + body
        + "\r\n0\r\n"
        + trailers
        + "\r\n";
  }

  private static StrictReader.Message read(String request) {
    return StrictReader.one(request.getBytes(ISO_8859_1));
  }

  @Test
  void theyReachEachInstanceThatIsAsked() throws Exception {
    try (Rig rig = new Rig()) {
      rig.instance("a", ScriptedInstance.CLOSES);
      rig.good("b");
      rig.start();
      for (int k = 0; k < 4; k++) {
        assertThat(rig.send(chunked("", Rig.BODY, TRAILERS)).status()).isEqualTo(200);
      }
      for (ScriptedInstance i : rig.instances) {
        assertThat(i.seen).as(i.name).isNotEmpty();
        for (String seen : i.seen) {
          StrictReader.Message m = read(seen);
          assertThat(new String(m.body(), ISO_8859_1)).isEqualTo(Rig.BODY);
          assertThat(m.all("transfer-encoding")).containsExactly("chunked");
          assertThat(m.all("trailer")).containsExactly("X-Sum, X-End");
          assertThat(seen).endsWith("\r\n0\r\nX-Sum: 7\r\nX-End: z\r\n\r\n");
          assertThat(m.fields().toString().toLowerCase(Locale.ROOT))
              .doesNotContain("content-length", "x-one", "cookie", "name=x-sum");
        }
      }
      rig.quiet();
    }
  }

  /// What they say of the very bytes of a body holds no more when it is another.
  @Test
  void theyFollowABodyThatNamesAnotherModelLessItsDigests() throws Exception {
    String ask = "{\"messages\":[],\"model\":\"gpt-4\"}";
    String digests = "Content-Digest: sha-256=:x:\r\n";
    try (Rig rig = new Rig()) {
      rig.good("a");
      rig.start("aliases=gpt-4=m");
      for (String coding : new String[] {"", "Content-Encoding: gzip\r\n"}) {
        String body = coding.isEmpty() ? ask : zipped(ask);
        String request = chunked(coding + digests, body, digests + "Content-MD5: y\r\n" + TRAILERS);
        assertThat(rig.send(request).status()).isEqualTo(200);
        StrictReader.Message m = read(rig.instances.getFirst().seen.getLast());
        assertThat(new String(m.body(), ISO_8859_1)).isEqualTo(ask.replace("gpt-4", "m"));
        assertThat(m.trailers()).extracting("name").containsExactly("x-sum", "x-end");
        assertThat(m.all("content-digest")).isEmpty();
        assertThat(m.all("content-encoding")).isEmpty();
      }
      rig.quiet();
    }
  }

  @Test
  void theyFollowABodyInACodingAsItCame() throws Exception {
    try (Rig rig = new Rig()) {
      rig.good("a");
      rig.start();
      String zipped = zipped(Rig.BODY);
      String request =
          chunked("Content-Encoding: gzip\r\n", zipped, "Content-Digest: sha-256=:x:\r\n");
      assertThat(rig.send(request).status()).isEqualTo(200);
      StrictReader.Message m = read(rig.instances.getFirst().seen.getFirst());
      assertThat(new String(m.body(), ISO_8859_1)).isEqualTo(zipped);
      assertThat(m.all("content-encoding")).containsExactly("gzip");
      assertThat(m.trailers()).extracting("value").containsExactly("sha-256=:x:");
      rig.quiet();
    }
  }

  private static String zipped(String body) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
      z.write(body.getBytes(UTF_8));
    }
    return out.toString(ISO_8859_1);
  }
}
