package org.infinilm.svc.deploy;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.PortOwner;

/// What would make a start fail, found before anything is started.
final class Preflight {
  private Preflight() {}

  /// Every obstacle, one line each.
  static List<String> problems(Plan plan, Path bundledModel) {
    List<String> out = new ArrayList<>();
    Path model = plan.settings().model();
    if (model != null) {
      model(model, "--model", out);
    } else if (plan.settings().configs().isEmpty() && !plan.settings().simulate()) {
      model(bundledModel, "the bundled model", out);
    }
    String host = plan.settings().host();
    if (!isFree(host, 0)) {
      out.add("--host: " + host + " (expected: an address of this machine)");
      return out;
    }
    for (Plan.Part p : plan.parts()) {
      for (int port : p.ports()) {
        port(host, port, p, out);
      }
    }
    return out;
  }

  private static void model(Path file, String what, List<String> out) {
    if (!Files.isRegularFile(file)) {
      out.add(what + ": " + file + ": no such file (expected: a GGUF model file)");
      return;
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] magic = in.readNBytes(4);
      if (!new String(magic, StandardCharsets.ISO_8859_1).equals("GGUF")) {
        out.add(what + ": " + file + ": not a GGUF file (expected: one that begins with GGUF)");
      }
    } catch (IOException e) {
      out.add(what + ": " + file + ": cannot be read: " + e.getMessage());
    }
  }

  private static void port(String host, int port, Plan.Part part, List<String> out) {
    if (isFree(host, port)) {
      return;
    }
    boolean second = part.ports().indexOf(port) == 1;
    out.add(
        "port "
            + port
            + " of "
            + (second ? "the babysitter of " : "")
            + part.name()
            + " is taken"
            + PortOwner.find(port).map(o -> " by " + o).orElse("")
            + " (choose another: "
            + part.portFlag()
            + (part.portFlag().startsWith("--") ? " N" : "")
            + ")");
  }

  /// Whether a server could listen there now.
  static boolean isFree(String host, int port) {
    try (ServerSocket s = new ServerSocket()) {
      s.setReuseAddress(true);
      s.bind(new InetSocketAddress(InetAddress.getByName(host), port));
      return true;
    } catch (IOException taken) {
      return false;
    }
  }
}
