package org.infinilm.svc.bench;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;

/// What a program prints, and arguments without a command line.
public final class Arguments {
  final ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
  final ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
  public final PrintStream out = new PrintStream(outBytes, true, StandardCharsets.UTF_8);
  public final PrintStream err = new PrintStream(errBytes, true, StandardCharsets.UTF_8);

  public static Program.Args of(
      Program program,
      Map<String, String> flags,
      List<String> positionals,
      Map<String, List<String>> repeated)
      throws ConfigException {
    Config config = Config.resolve(program.keys(), flags, Map.of(), null);
    return new Program.Args(config, flags, positionals, repeated);
  }

  public String printed() {
    return outBytes.toString(StandardCharsets.UTF_8);
  }

  public String complained() {
    return errBytes.toString(StandardCharsets.UTF_8);
  }
}
