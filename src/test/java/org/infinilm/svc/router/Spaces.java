package org.infinilm.svc.router;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Network namespaces of the kernel, 1 to n, each with an address of its own and a wire to the
/// others that can be taken out: then nothing passes and nobody is told. They need no privilege
/// where the kernel lets users have namespaces (`unshare -Urn`), and leave nothing behind.
final class Spaces implements AutoCloseable {
  private static final String SCRIPT =
      """
      set -e
      ip link set lo up
      ip link add name hub0 type bridge
      ip link set hub0 up
      i=1
      all=
      while [ $i -le $0 ]; do
        unshare -n sleep infinity &
        until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/$$/ns/net)" ] &&
          [ "$(cat /proc/$!/comm)" = sleep ]; do :; done
        ip link add name w$i type veth peer name e$i
        ip link set e$i netns $!
        ip link set w$i master hub0 up
        nsenter -t $! -n sh -c "ip link set lo up; ip addr add 10.77.0.$i/24 dev e$i; ip link set e$i up"
        echo $!
        all="$all $!"
        i=$((i + 1))
      done
      read -r _ || true
      kill $all
      """;

  private final Process hub;
  private final List<String> pids = new ArrayList<>();

  /// Whether there can be any; what is said where not.
  static String impossible() throws Exception {
    Process p =
        new ProcessBuilder(
                "unshare",
                "-Urn",
                "sh",
                "-c",
                "ip link add name hub0 type bridge && nsenter --version && curl --version")
            .redirectErrorStream(true)
            .start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return p.waitFor() == 0 ? "" : "no network namespaces here: " + said;
  }

  Spaces(int n) throws Exception {
    hub =
        new ProcessBuilder("unshare", "-Urn", "sh", "-c", SCRIPT, String.valueOf(n))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    BufferedReader out =
        new BufferedReader(new InputStreamReader(hub.getInputStream(), StandardCharsets.UTF_8));
    for (int k = 0; k < n; k++) {
      String pid = out.readLine();
      if (pid == null) {
        throw new IOException("namespaces: ended with " + hub.waitFor());
      }
      pids.add(pid);
    }
  }

  static String address(int i) {
    return "10.77.0." + i;
  }

  /// What comes before a command that is to run in one of them.
  List<String> in(int i) {
    return entering(pids.get(i - 1));
  }

  /// The same for [Programs].
  String shell(int i) {
    return "exec " + String.join(" ", in(i)) + " \"$@\" 2>&1";
  }

  private static List<String> entering(String pid) {
    return List.of("nsenter", "-t", pid, "-U", "-n", "--preserve-credentials", "--");
  }

  void cut(int i) throws Exception {
    wire(i, "down");
  }

  void mend(int i) throws Exception {
    wire(i, "up");
  }

  private void wire(int i, String state) throws Exception {
    List<String> command = new ArrayList<>(entering(String.valueOf(hub.pid())));
    command.addAll(List.of("ip", "link", "set", "w" + i, state));
    Process p = new ProcessBuilder(command).inheritIO().start();
    if (p.waitFor() != 0) {
      throw new IOException("wire " + i + " is not " + state);
    }
  }

  /// What a command prints in one of them.
  String run(int i, String... command) throws Exception {
    List<String> all = new ArrayList<>(in(i));
    all.addAll(List.of(command));
    Process p = new ProcessBuilder(all).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    p.waitFor();
    return said;
  }

  @Override
  public void close() throws IOException {
    hub.getOutputStream().close();
    boolean over = false;
    try {
      over = hub.waitFor(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!over) {
      hub.descendants().forEach(ProcessHandle::destroyForcibly);
      hub.destroyForcibly();
    }
  }
}
