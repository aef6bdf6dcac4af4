package org.infinilm.svc;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.random.RandomGenerator;

/// Free ports below those that systems hand out by themselves: a program that is started on one
/// needs a while, in which nobody else's connection may take it, nor after its end.
public final class LowPorts {
  private static final int LEAST = 10_000;
  private static final int MOST = 32_000;

  private LowPorts() {}

  /// A port that is free on loopback together with the next one.
  public static int two() {
    RandomGenerator random = RandomGenerator.getDefault();
    int p = random.nextInt(LEAST, MOST);
    while (!isFree(p) || !isFree(p + 1)) {
      p = random.nextInt(LEAST, MOST);
    }
    return p;
  }

  /// Whether nobody listens at it on loopback.
  public static boolean isFree(int p) {
    try (ServerSocket s = new ServerSocket()) {
      s.bind(new InetSocketAddress("127.0.0.1", p));
      return true;
    } catch (IOException taken) {
      return false;
    }
  }
}
