package org.infinilm.svc.deploy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Looks at servers from outside: what they answered, or in words why they did not. Thread-safe.
///
/// @param timeout for one whole exchange
record Probe(Client client, Duration timeout) {

  /// One answer; `failure` is null when there was one, whatever its status.
  record Seen(int status, Headers headers, byte[] body, @Nullable String failure) {
    boolean ok() {
      return failure == null && status >= 200 && status < 300;
    }

    String text() {
      return new String(body, StandardCharsets.UTF_8);
    }

    /// The body as JSON, or a missing node.
    JsonNode json() {
      try {
        return Json.tree(body);
      } catch (JsonProcessingException noJson) {
        return MissingNode.getInstance();
      }
    }

    /// Status and the beginning of the body, or the failure.
    String describe() {
      if (failure != null) {
        return failure;
      }
      String t = text().strip().replaceAll("\\s+", " ");
      return "HTTP " + status + (t.isEmpty() ? "" : " " + shorten(t, 200));
    }

    String header(String name) {
      String v = headers.get(name);
      return v == null ? "" : v;
    }
  }

  Seen get(URI uri) throws InterruptedException {
    return send("GET", uri, Headers.NONE, new byte[0]);
  }

  /// Like [#get], for pages that answer at once when they answer at all.
  Seen quick(URI uri) throws InterruptedException {
    return quick(uri, Headers.NONE);
  }

  Seen quick(URI uri, Headers headers) throws InterruptedException {
    Duration five = Duration.ofSeconds(5);
    Probe patient = new Probe(client, timeout.compareTo(five) < 0 ? timeout : five);
    return patient.send("GET", uri, headers, new byte[0]);
  }

  Seen post(URI uri, Headers headers, byte[] json) throws InterruptedException {
    return send("POST", uri, headers.with("content-type", "application/json"), json);
  }

  private Seen send(String method, URI uri, Headers headers, byte[] body)
      throws InterruptedException {
    try {
      Client.Reply r = client.send(method, uri, headers, body, timeout);
      return new Seen(r.status(), r.headers(), r.body(), null);
    } catch (IOException e) {
      return new Seen(0, Headers.NONE, new byte[0], reason(uri, e));
    }
  }

  static String reason(URI uri, IOException e) {
    String said = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return "no answer from " + uri + ": " + shorten(said, 200);
  }

  static String shorten(String text, int chars) {
    return text.length() <= chars ? text : text.substring(0, chars) + " ...";
  }
}
