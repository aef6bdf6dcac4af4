package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.PortOwner.Listener;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PortCheckTest {
  private static final Map<String, String> ADDRESSES =
      Map.of(
          "loopback", "0100007F",
          "second", "0200007F",
          "other", "0500000A",
          "all", "00000000",
          "loopback6", "00000000000000000000000001000000",
          "all6", "00000000000000000000000000000000");

  /// Each word is a listener: its address and who holds it. Asked at 127.0.0.1.
  @ParameterizedTest
  @CsvSource({
    "loopback=ours, none",
    "loopback=ours loopback=ours, none",
    "loopback=theirs, 0",
    "loopback=ours loopback=theirs, 1",
    "loopback=theirs loopback=ours, 0",
    "loopback=ours loopback=unseen, 1",
    "loopback=ours+theirs, none",
    "all=ours loopback=theirs, 1",
    "all=ours all=theirs, 1",
    "loopback=ours other=theirs, none",
    "loopback=ours all=theirs, none",
    "loopback6=ours loopback=theirs, 1",
    "loopback=theirs loopback6=ours, 0",
    "second=ours loopback=theirs, 1",
    "second=ours all=theirs, 1",
    "second=ours all6=theirs, 1",
    "all6=theirs second=ours all=theirs, 2",
    "loopback6=ours all6=theirs, 1",
    "loopback=ours second=theirs, none",
    "loopback=ours loopback6=theirs, none",
  })
  void everyListenerThatTakesOurRequestsIsToBeOurs(String listeners, String foreign)
      throws IOException {
    assertThat(found(listeners, List.of("127.0.0.1"))).isEqualTo(foreign);
  }

  /// Where the server is asked, and where others will ask it.
  @ParameterizedTest
  @CsvSource({
    "loopback=ours other=theirs, 127.0.0.1, 10.0.0.5, 1",
    "loopback=ours all=theirs, 127.0.0.1, 10.0.0.5, 1",
    "loopback=ours second=theirs, 127.0.0.1, 10.0.0.5, none",
    "other=ours loopback=theirs, 127.0.0.1, 10.0.0.5, 1",
    "other=ours loopback=theirs, 10.0.0.5, 10.0.0.5, none",
    "loopback6=ours loopback=theirs, ::1, ::1, none",
    "loopback=ours loopback6=theirs, ::1, ::1, 1",
    "loopback=ours all6=theirs, ::1, ::1, 1",
  })
  void theAddressesThatAreAskedDecide(
      String listeners, String probe, String advertise, String foreign) throws IOException {
    assertThat(found(listeners, List.of(probe, advertise))).isEqualTo(foreign);
  }

  /// Of a name clients take the first address where somebody listens.
  @Test
  void ofANameTheFirstAddressWhereSomebodyListensCounts() throws IOException {
    InetAddress v4 = InetAddress.getByName("127.0.0.1");
    InetAddress v6 = InetAddress.getByName("::1");
    assertThat(of("loopback=ours loopback6=theirs", List.of(List.of(v4, v6)))).isEqualTo("none");
    assertThat(of("second=ours loopback6=theirs", List.of(List.of(v4, v6)))).isEqualTo("1");
  }

  private static String found(String listeners, List<String> hosts) throws IOException {
    List<List<InetAddress>> asked = new ArrayList<>();
    for (String h : hosts) {
      asked.add(List.of(InetAddress.getByName(h)));
    }
    return of(listeners, asked);
  }

  private static String of(String listeners, List<List<InetAddress>> asked) {
    List<Listener> all = new ArrayList<>();
    Map<String, List<Long>> holders = new HashMap<>();
    for (String word : listeners.split(" ")) {
      String[] w = word.split("=");
      String socket = "socket:[" + all.size() + "]";
      all.add(new Listener(ADDRESSES.getOrDefault(w[0], ""), socket));
      switch (w[1]) {
        case "ours" -> holders.put(socket, List.of(1L));
        case "theirs" -> holders.put(socket, List.of(2L));
        case "ours+theirs" -> holders.put(socket, List.of(2L, 1L));
        default -> {}
      }
    }
    return PortCheck.foreign(all, holders, pid -> pid == 1, asked)
        .map(l -> l.socket().replaceAll("[^0-9]", ""))
        .orElse("none");
  }
}
