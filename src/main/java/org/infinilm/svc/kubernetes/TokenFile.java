package org.infinilm.svc.kubernetes;

import io.fabric8.kubernetes.api.model.AuthInfo;
import io.fabric8.kubernetes.api.model.NamedAuthInfo;
import io.fabric8.kubernetes.api.model.NamedContext;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The `tokenFile` of a kubeconfig's user, which the client passes over: read for each request, as
/// who rotates tokens writes it anew.
final class TokenFile {
  private TokenFile() {}

  /// Has a cluster asked with the token of the file that its kubeconfig names, where it names one.
  ///
  /// @throws KubernetesClientException when the kubeconfig cannot be read
  static Config followed(Config c) {
    Path file = of(c);
    if (file != null) {
      c.setOauthTokenProvider(() -> read(file));
    }
    return c;
  }

  private static @Nullable Path of(Config c) {
    File kubeconfig = c.getFileWithAuthInfo();
    NamedContext context = c.getCurrentContext();
    if (kubeconfig == null || context == null || context.getContext() == null) {
      return null;
    }
    io.fabric8.kubernetes.api.model.Config all;
    try {
      all =
          Serialization.unmarshal(
              Files.readString(kubeconfig.toPath()), io.fabric8.kubernetes.api.model.Config.class);
    } catch (IOException e) {
      throw new KubernetesClientException(kubeconfig + ": cannot be read", e);
    }
    for (NamedAuthInfo user : all.getUsers()) {
      AuthInfo a = user.getUser();
      if (Objects.equals(user.getName(), context.getContext().getUser())
          && a != null
          && a.getTokenFile() != null
          && !a.getTokenFile().isEmpty()) {
        // a path is told from the file that names it
        return kubeconfig.getAbsoluteFile().toPath().resolveSibling(a.getTokenFile());
      }
    }
    return null;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      throw new KubernetesClientException(file + ": cannot be read (expected: a token)", e);
    }
  }
}
