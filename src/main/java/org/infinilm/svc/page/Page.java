package org.infinilm.svc.page;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// The files of the page under `/ui`, a fixed list, from the jar and from the chart library's. They
/// hold no data: what the page shows, it reads from `/events`. Thread-safe.
public final class Page {
  private static final String CHARTS = "/META-INF/resources/webjars/uplot/1.6.30/dist/";
  private static final String HTML = "text/html; charset=utf-8";
  private static final String SCRIPT = "text/javascript; charset=utf-8";
  private static final String STYLE = "text/css; charset=utf-8";

  /// Scripts and styles from here alone, none in the page itself; no frames, no forms, no other
  /// host.
  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  /// @param resource its name in the class path
  private record File(String resource, String type) {
    static File own(String name, String type) {
      return new File("/org/infinilm/svc/page/" + name, type);
    }
  }

  private record Loaded(byte[] bytes, String tag) {}

  private static final Map<String, File> FILES =
      Map.ofEntries(
          Map.entry("/ui", File.own("index.html", HTML)),
          Map.entry("/ui/page.css", File.own("page.css", STYLE)),
          Map.entry("/ui/main.js", File.own("main.js", SCRIPT)),
          Map.entry("/ui/stream.js", File.own("stream.js", SCRIPT)),
          Map.entry("/ui/words.js", File.own("words.js", SCRIPT)),
          Map.entry("/ui/state.js", File.own("state.js", SCRIPT)),
          Map.entry("/ui/pools.js", File.own("pools.js", SCRIPT)),
          Map.entry("/ui/scatter.js", File.own("scatter.js", SCRIPT)),
          Map.entry("/ui/whatif.js", File.own("whatif.js", SCRIPT)),
          Map.entry("/ui/trends.js", File.own("trends.js", SCRIPT)),
          Map.entry("/ui/past.js", File.own("past.js", SCRIPT)),
          Map.entry("/ui/instances.js", File.own("instances.js", SCRIPT)),
          Map.entry("/ui/requests.js", File.own("requests.js", SCRIPT)),
          Map.entry("/ui/hold.js", File.own("hold.js", SCRIPT)),
          Map.entry("/ui/drawer.js", File.own("drawer.js", SCRIPT)),
          Map.entry("/ui/icon.svg", File.own("icon.svg", "image/svg+xml")),
          Map.entry("/ui/uplot.js", new File(CHARTS + "uPlot.esm.js", SCRIPT)),
          Map.entry("/ui/uplot.css", new File(CHARTS + "uPlot.min.css", STYLE)));

  private final Map<String, Loaded> loaded = new ConcurrentHashMap<>();

  /// Whether a path is the page's, there or not.
  public static boolean owns(String path) {
    return path.equals("/ui") || path.startsWith("/ui/");
  }

  /// The file of a path; null when there is none.
  public @Nullable Response answer(Request r) {
    if (r.path().equals("/ui/")) {
      return Response.empty(308).with("location", "../ui");
    }
    File f = FILES.get(r.path());
    if (f == null) {
      return null;
    }
    Loaded l = loaded.computeIfAbsent(r.path(), path -> load(f));
    boolean same = l.tag().equals(r.headers().get("if-none-match"));
    return guarded(
        new Response(
            same ? 304 : 200,
            Headers.of("content-type", f.type()).with("etag", l.tag()),
            same ? new byte[0] : l.bytes(),
            null));
  }

  /// Says in plain words why the page is not shown.
  public static Response refusal(String why) {
    return guarded(Response.text(403, "text/plain; charset=utf-8", why + "\n"));
  }

  private static Response guarded(Response r) {
    return r.with("cache-control", "no-cache")
        .with("content-security-policy", POLICY)
        .with("x-content-type-options", "nosniff")
        .with("x-frame-options", "DENY")
        .with("referrer-policy", "no-referrer")
        .with("cross-origin-opener-policy", "same-origin")
        .with("cross-origin-resource-policy", "same-origin");
  }

  private static Loaded load(File f) {
    try (InputStream in = Page.class.getResourceAsStream(f.resource())) {
      if (in == null) {
        throw new IllegalStateException(f.resource() + " is not in the class path");
      }
      byte[] bytes = in.readAllBytes();
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes);
      return new Loaded(bytes, '"' + HexFormat.of().formatHex(hash, 0, 12) + '"');
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
