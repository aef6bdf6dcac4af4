package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.ChannelException;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.unix.Errors.NativeIoException;
import java.io.FileNotFoundException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketException;
import org.infinilm.svc.http.Failure.Kind;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UnconnectedTest {
  @BeforeAll
  static void errorsOfTheKernelHaveNames() {
    assertThat(Epoll.isAvailable()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "EMFILE, 24, LOCAL, no file descriptor left",
    "ENFILE, 23, LOCAL, no file descriptor left",
    "ENOBUFS, 105, LOCAL, no memory for a socket",
    "ENOMEM, 12, LOCAL, no memory for a socket",
    "EADDRNOTAVAIL, 99, LOCAL, no local port left",
    "EADDRINUSE, 98, LOCAL, no local port left",
    "ENETUNREACH, 101, LOCAL, no route from this host",
    "EACCES, 13, LOCAL, not permitted on this host",
    "EPERM, 1, LOCAL, not permitted on this host",
    "ENOENT, 2, CONNECT_REFUSED, no such socket",
    "EAGAIN, 11, CONNECT_TIMEOUT, does not accept",
    "ECONNREFUSED, 111, CONNECT_REFUSED, refused",
    "ECONNRESET, 104, CONNECT_REFUSED, reset",
    "ETIMEDOUT, 110, CONNECT_TIMEOUT, no answer",
    "EHOSTUNREACH, 113, CONNECT_TIMEOUT, host unreachable",
  })
  void nativeErrorsAreNamed(String name, int errno, Kind kind, String detail) {
    Failure expected = new Failure(kind, detail);
    assertThat(Unconnected.failure(new NativeIoException("x", -errno), false)).isEqualTo(expected);
    assertThat(
            Unconnected.failure(
                new ChannelException(new NativeIoException("newSocketStream", -errno)), true))
        .isEqualTo(expected);
    assertThat(
            Unconnected.failure(
                new ConnectException("finishConnect(..) failed with error(-" + errno + "): x: /h"),
                false))
        .isEqualTo(expected);
  }

  @Test
  void theJdksErrorsAreNamed() {
    assertThat(kind(new SocketException("Too many open files"))).isEqualTo(Kind.LOCAL);
    assertThat(kind(new BindException("Cannot assign requested address"))).isEqualTo(Kind.LOCAL);
    assertThat(kind(new ConnectException("Network is unreachable"))).isEqualTo(Kind.LOCAL);
    assertThat(kind(new SocketException("Permission denied"))).isEqualTo(Kind.LOCAL);
    assertThat(kind(new OutOfMemoryError("direct"))).isEqualTo(Kind.LOCAL);
    assertThat(kind(new SocketException("Connection reset"))).isEqualTo(Kind.CONNECT_REFUSED);
    assertThat(kind(new ConnectException("Connection refused"))).isEqualTo(Kind.CONNECT_REFUSED);
    assertThat(kind(new ConnectException("Connection timed out"))).isEqualTo(Kind.CONNECT_TIMEOUT);
    assertThat(kind(new FileNotFoundException("connect"))).isEqualTo(Kind.CONNECT_REFUSED);
    assertThat(kind(new ConnectTimeoutException("x"))).isEqualTo(Kind.CONNECT_TIMEOUT);
  }

  /// Both come without an error number; a missing route is known before a packet leaves.
  @Test
  void aMissingRouteIsOursAndAHostThatDoesNotAnswerIsNot() {
    assertThat(Unconnected.failure(new NoRouteToHostException(), true).kind())
        .isEqualTo(Kind.LOCAL);
    assertThat(Unconnected.failure(new NoRouteToHostException(), false).kind())
        .isEqualTo(Kind.CONNECT_TIMEOUT);
  }

  /// What this process lacks says nothing of a server; that a server cannot be reached does.
  @Test
  void whatIsLackingHereIsToldFromWhatCannotBeReached() {
    for (int errno : new int[] {23, 24, 12, 105, 98, 99}) {
      assertThat(Unconnected.lacked(ofErrno(errno))).as("errno %d", errno).isTrue();
    }
    assertThat(Unconnected.lacked(Unconnected.failure(new OutOfMemoryError("x"), true))).isTrue();
    for (int errno : new int[] {1, 13, 101, 104, 110, 111, 113}) {
      assertThat(Unconnected.lacked(ofErrno(errno))).as("errno %d", errno).isFalse();
    }
  }

  private static Failure ofErrno(int errno) {
    return Unconnected.failure(new ChannelException(new NativeIoException("x", -errno)), true);
  }

  private static Kind kind(Throwable t) {
    return Unconnected.failure(t, false).kind();
  }
}
