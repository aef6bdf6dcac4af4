package org.infinilm.svc.cli;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;

/// `infini config check FILE`: validates a file of any program and prints what is in force and from
/// where.
final class ConfigCheck {
  static final Program PROGRAM =
      new Program(
          "config check",
          "Validate a TOML file of any program; print what is in force and from where.",
          List.of(),
          Map.of(),
          "FILE",
          false,
          ConfigCheck::run);

  private ConfigCheck() {}

  private static int run(Program.Args args) throws ConfigException {
    if (args.positionals().size() != 1) {
      throw new ConfigException(
          "config check: " + args.positionals().size() + " files given (expected: one FILE)");
    }
    throw new ConfigException("config check: not yet");
  }
}
