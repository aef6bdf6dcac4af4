package org.infinilm.svc.load;

import io.netty.channel.ChannelHandler;
import io.netty.channel.socket.SocketChannel;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// The router or server that is measured: its address, how it is reached over TLS, and what opens
/// it. What opens it is sent to this address alone and shown nowhere.
///
/// @param base without a path
/// @param tls whose certificates are believed
/// @param credentials headers of every request to it that are secret
public record Target(BaseUrl base, Tls tls, Headers credentials) {
  private static final Set<String> SECRET =
      Set.of("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization");
  private static final String HIDDEN = "(a secret)";
  private static final String SCHEME = "Bearer ";
  private static final int SHORTEST_HIDDEN = 4;
  private static final List<Key<String>> TLS =
      List.of(
          LoadKeys.CA_FILE,
          LoadKeys.TLS_SERVER_NAME,
          TlsSettings.CLIENT_CERT,
          TlsSettings.CLIENT_KEY);

  /// @param headers of every request; those that are secret are kept
  public static Target of(Config c, List<Header> headers) throws ConfigException {
    String text =
        c.find(LoadKeys.URL)
            .or(() -> c.find(LoadKeys.BASE_URL))
            .orElse(
                "http://" + BaseUrl.bracketed(c.get(LoadKeys.HOST)) + ":" + c.get(LoadKeys.PORT));
    BaseUrl base = BaseUrl.typed(text);
    if (base == null || !base.prefix().isEmpty()) {
      throw new ConfigException(
          "--url: " + BaseUrl.shown(text) + " (expected: http://host:port or https://host:port)");
    }
    List<Header> secret =
        headers.stream().filter(h -> SECRET.contains(h.name().toLowerCase(Locale.ROOT))).toList();
    return new Target(base, tls(c, base), headers(secret));
  }

  /// A server of our own on loopback.
  static Target plain(URI url) {
    return new Target(new BaseUrl(url.getHost(), url.getPort(), ""), Tls.DEFAULT, Headers.NONE);
  }

  private static Headers headers(List<Header> of) {
    Headers out = Headers.NONE;
    for (Header h : of) {
      out = out.with(h.name(), h.value());
    }
    return out;
  }

  private static Tls tls(Config c, BaseUrl base) throws ConfigException {
    String file = c.find(LoadKeys.CA_FILE).orElse(null);
    String name = c.find(LoadKeys.TLS_SERVER_NAME).orElse(null);
    if (!base.secure()) {
      // a variable is for whatever is asked over TLS
      for (Key<String> k : TLS) {
        if (c.find(k).isPresent() && c.origin(k).equals(k.flagName())) {
          throw new ConfigException(
              k.flagName() + ": " + c.get(k) + " (expected: an https --url with it)");
        }
      }
      return Tls.DEFAULT;
    }
    try {
      return Tls.of(file == null ? null : Path.of(file), name, own(c), Ticker.SYSTEM.now());
    } catch (Tls.Unusable e) {
      throw new ConfigException(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new ConfigException(
          (file == null ? "--tls-server-name: " + name : "--ca-file: " + file)
              + " (expected: "
              + e.getMessage()
              + ")");
    }
  }

  /// What is shown to a server that asks for a certificate, or null for none.
  private static Tls.@Nullable Own own(Config c) throws ConfigException {
    String cert = c.find(TlsSettings.CLIENT_CERT).filter(f -> !f.isEmpty()).orElse(null);
    String key = c.find(TlsSettings.CLIENT_KEY).filter(f -> !f.isEmpty()).orElse(null);
    if (cert == null && key == null) {
      return null;
    }
    if (cert == null || key == null) {
      throw new ConfigException(
          (cert == null ? "--client-key: " + key : "--client-cert: " + cert)
              + " (expected: both --client-cert and --client-key)");
    }
    return new Tls.Own(Path.of(cert), Path.of(key));
  }

  URI url() {
    return URI.create(base.toString());
  }

  URI at(String path) {
    return URI.create(base.at(path));
  }

  /// `GET` of a path of it.
  public Client.Reply get(Client client, String path, Duration timeout)
      throws IOException, InterruptedException {
    return client.with(tls).send("GET", at(path), credentials, new byte[0], timeout);
  }

  /// What speaks TLS on a connection to it; null for http.
  @Nullable ChannelHandler secured(SocketChannel channel) {
    return base.secure() ? tls.handler(channel.alloc(), base.host(), base.port()) : null;
  }

  /// A text of somebody else without the secrets that it may repeat.
  String hidden(String text) {
    String out = text;
    for (String s : secrets()) {
      out = out.replace(s, HIDDEN);
    }
    return out;
  }

  private List<String> secrets() {
    List<String> out = new ArrayList<>();
    for (Header h : credentials.fields()) {
      String v = h.value();
      out.add(
          v.regionMatches(true, 0, SCHEME, 0, SCHEME.length()) ? v.substring(SCHEME.length()) : v);
    }
    out.removeIf(s -> s.length() < SHORTEST_HIDDEN);
    return out;
  }

  /// A record's own would show the secrets.
  @Override
  public String toString() {
    return base.toString();
  }
}
