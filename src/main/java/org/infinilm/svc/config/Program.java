package org.infinilm.svc.config;

import java.util.List;
import java.util.Map;

/// One command of `infini`: its name, its settings and what it runs. Each room declares its own;
/// the roof lists them.
///
/// @param name the command, `router`; two words for a nested one (`config check`)
/// @param keys its settings, each also a flag
/// @param repeatable flags that may be given several times, name (without dashes) to help line; a
///   name that ends in `...` also takes several values at once
/// @param positionals placeholder of the positional arguments, `[HOST]` or `FILE`; empty for none
/// @param takesFile whether `--config-file FILE` fills the keys from a TOML file
/// @param check what a start would refuse or warn of besides
public record Program(
    String name,
    String doc,
    List<Key<?>> keys,
    Map<String, String> repeatable,
    String positionals,
    boolean takesFile,
    Run run,
    Check check) {
  /// One whose settings say by themselves whether they can be used.
  public Program(
      String name,
      String doc,
      List<Key<?>> keys,
      Map<String, String> repeatable,
      String positionals,
      boolean takesFile,
      Run run) {
    this(name, doc, keys, repeatable, positionals, takesFile, run, (args, wrong) -> List.of());
  }

  /// A program without positionals whose keys may come from a file.
  public static Program of(String name, String doc, List<Key<?>> keys, Run run) {
    return new Program(name, doc, keys, Map.of(), "", true, run);
  }

  /// Runs the program to its end; returns the exit code: 0 fine, 1 it ran and the answer is no, 2
  /// wrong usage or configuration (also for a thrown [ConfigException], whose message is printed).
  @FunctionalInterface
  public interface Run {
    int run(Args args) throws Exception;
  }

  /// The same with a check of what its settings say together, and of the files that they name.
  public Program checkedBy(Check other) {
    return new Program(name, doc, keys, repeatable, positionals, takesFile, run, other);
  }

  /// Says what a start would refuse besides what [Config] says of single values, without starting
  /// anything.
  @FunctionalInterface
  public interface Check {
    /// @param args whose values may be refused already ([Config#gather])
    /// @param wrong told all of it
    /// @return what a start would warn of, a line each
    List<String> check(Args args, ConfigException.Wrongs wrong) throws ConfigException;
  }

  /// What the command line gave.
  ///
  /// @param flags the flags as typed, by key name (what [Config] resolved them from)
  /// @param repeated values of the repeatable flags, by name
  public record Args(
      Config config,
      Map<String, String> flags,
      List<String> positionals,
      Map<String, List<String>> repeated) {
    public List<String> all(String repeatable) {
      return repeated.getOrDefault(repeatable, List.of());
    }
  }
}
