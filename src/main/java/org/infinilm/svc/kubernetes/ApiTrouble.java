package org.infinilm.svc.kubernetes;

import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.WatcherException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URL;
import java.net.UnknownHostException;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Tls;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import tools.jackson.core.JacksonException;

/// Why the API server did not do what was asked, without the client library's own words. Pure.
final class ApiTrouble {
  /// What was answered to a list can be read and is none.
  static final String NO_LIST = "its answer is no list of pods (expected: the API of Kubernetes)";

  private static final String UNREADABLE =
      "its answer cannot be read (expected: the API of Kubernetes, JSON)";

  private ApiTrouble() {}

  /// What the server said, or what became of the connection to it.
  static String said(Throwable failure, URL server) {
    List<Throwable> chain = new ArrayList<>();
    for (Throwable t = failure; t != null && chain.size() < 20; t = t.getCause()) {
      chain.add(t);
    }
    for (Throwable t : chain) {
      if (t instanceof KubernetesClientException k
          && k.getStatus() != null
          && k.getStatus().getMessage() != null) {
        return k.getStatus().getMessage();
      }
    }
    String at = "the API server at " + BaseUrl.shown(String.valueOf(server)) + ": ";
    for (Throwable t : chain.reversed()) {
      String known = known(t);
      if (known != null) {
        return at + known;
      }
    }
    Throwable last = chain.getLast();
    if (last instanceof WatcherException) {
      return at + "a watch broke off";
    }
    return at
        + (last instanceof IOException
            ? "the connection broke off"
                + (last.getMessage() == null ? "" : ": " + last.getMessage())
            : last.getMessage() == null ? last.getClass().getSimpleName() : last.getMessage());
  }

  private static @Nullable String known(Throwable t) {
    return switch (t) {
      case SSLException e -> Tls.trouble(e);
      case UnknownHostException e -> "its host is not known";
      case UnresolvedAddressException e -> "its host is not known";
      case HttpTimeoutException e -> "no answer in time";
      case TimeoutException e -> "no answer in time";
      case ConnectException e -> "cannot be connected to";
      case JacksonException e -> UNREADABLE;
      // what does not begin as JSON is read as YAML
      case YamlEngineException e -> UNREADABLE;
      default -> null;
    };
  }
}
