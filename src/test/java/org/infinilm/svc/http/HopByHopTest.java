package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.HttpHeaders;
import org.junit.jupiter.api.Test;

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
    h.add("Connection", "X-Api-Key, api-key, cookie, content-encoding, Content-Type");
    String[] kept = {
      "Content-Length",
      "Host",
      "Authorization",
      "X-Api-Key",
      "Api-Key",
      "Cookie",
      "Content-Encoding",
      "Content-Type"
    };
    for (String name : kept) {
      h.add(name, "3");
    }
    HopByHop.strip(h);
    assertThat(h.names()).containsExactlyInAnyOrder(kept);
  }
}
