package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.PortOwner.Listener;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PortCheckTest {
  private static final Map<String, String> ADDRESSES =
      Map.of("loopback", "0100007F", "other", "0500000A", "all", "00000000");

  /// Each word is a listener: its address and who holds it.
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
  })
  void everyListenerThatTakesOurRequestsIsToBeOurs(String listeners, String foreign) {
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
    String found =
        PortCheck.foreign(all, holders, pid -> pid == 1)
            .map(l -> l.socket().replaceAll("[^0-9]", ""))
            .orElse("none");
    assertThat(found).isEqualTo(foreign);
  }
}
