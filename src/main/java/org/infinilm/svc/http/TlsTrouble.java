package org.infinilm.svc.http;

import io.netty.handler.ssl.NotSslRecordException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import javax.net.ssl.SSLException;
import org.infinilm.svc.http.Failure.Kind;
import org.jspecify.annotations.Nullable;

/// Names what went wrong in a TLS handshake.
final class TlsTrouble {
  private static final String ALERT = "Received fatal alert: ";

  private TlsTrouble() {}

  /// @param tls how the other side was spoken to
  static Failure failure(Throwable cause, Tls tls) {
    return new Failure(Kind.TLS_FAILED, detail(cause, tls));
  }

  /// @param tls how the other side was spoken to
  static String detail(Throwable cause, Tls tls) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      String d = of(t, tls.own() != null);
      if (d != null) {
        return d;
      }
    }
    String m = String.valueOf(cause.getMessage());
    if (cause instanceof SSLException) {
      return m.contains("closed while") ? "cut during the handshake" : "handshake failed: " + m;
    }
    return cause instanceof IOException ? "cut during the handshake" : "handshake failed: " + m;
  }

  private static @Nullable String of(Throwable t, boolean shows) {
    return switch (t) {
      case NotSslRecordException e -> "no TLS there (its URL says https)";
      case CertificateExpiredException e -> "certificate expired";
      case CertificateNotYetValidException e -> "certificate not yet valid";
      case CertPathValidatorException e when e.getReason() == BasicReason.EXPIRED ->
          "certificate expired";
      case CertPathValidatorException e when e.getReason() == BasicReason.NOT_YET_VALID ->
          "certificate not yet valid";
      case CertPathBuilderException e -> "certificate of an unknown authority";
      case CertificateException e when namesNobody(e) -> "certificate of another name";
      case ClosedChannelException e -> "cut during the handshake";
      case SSLException e -> alert(String.valueOf(e.getMessage()), shows);
      default -> null;
    };
  }

  private static boolean namesNobody(CertificateException e) {
    String m = String.valueOf(e.getMessage());
    return m.contains("subject alternative") || m.startsWith("No name matching");
  }

  /// What the other side's alert says (RFC 8446 section 6.2).
  ///
  /// @param shows whether there is a certificate of ours; the JDK shows none to a server that asks
  ///   for one of other authorities
  private static @Nullable String alert(String message, boolean shows) {
    int at = message.indexOf(ALERT);
    if (at < 0) {
      return null;
    }
    String name = message.substring(at + ALERT.length()).strip();
    return switch (name) {
      case "protocol_version" -> "no common TLS version (expected: 1.2 or 1.3)";
      case "certificate_required", "bad_certificate", "certificate_unknown", "unknown_ca" ->
          shows
              ? "it does not believe the certificate of client_cert (expected: one of an authority"
                  + " that it knows)"
              : "it asks for a certificate of ours";
      case "certificate_expired" -> "to it the certificate of client_cert has expired";
      case "unrecognized_name" -> "it does not know the name that was asked for";
      default -> "it refused the handshake: " + name;
    };
  }
}
