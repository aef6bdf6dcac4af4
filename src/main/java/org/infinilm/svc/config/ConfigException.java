package org.infinilm.svc.config;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A value that cannot be used; the message names the place (`file:line`, flag or variable), the
/// wrong value and the expected one, and is meant to be printed as it is. Programs end with exit
/// code 2.
public final class ConfigException extends Exception {
  public ConfigException(String message) {
    super(message);
  }

  /// What went wrong with a file that a value names, in words.
  public static String reason(IOException e) {
    String name = e.getClass().getSimpleName().replace("Exception", "");
    return e instanceof FileSystemException fse && fse.getReason() != null
        ? fse.getReason()
        : name.equals("IO") ? String.valueOf(e.getMessage()) : name + " " + e.getMessage();
  }

  /// Gathers what is wrong with several settings, so that whoever wrote them is told all of it at
  /// once. Used by one thread.
  public static final class Wrongs {
    private final Set<String> said = new LinkedHashSet<>();

    /// What reads one setting.
    @FunctionalInterface
    public interface Part<T extends @Nullable Object> {
      T read() throws ConfigException;
    }

    /// What reads settings and gives nothing.
    @FunctionalInterface
    public interface Step {
      void take() throws ConfigException;
    }

    /// The value of a setting; `otherwise` where it is wrong, which [#end] will say.
    public <T extends @Nullable Object> T of(Part<T> part, T otherwise) {
      try {
        return part.read();
      } catch (ConfigException e) {
        add(e.getMessage());
        return otherwise;
      }
    }

    /// Goes on where it is wrong, which [#end] will say.
    public void in(Step step) {
      try {
        step.take();
      } catch (ConfigException e) {
        add(e.getMessage());
      }
    }

    /// @param message as [ConfigException] has it
    public void add(@Nullable String message) {
      said.add(String.valueOf(message));
    }

    public void addAll(Collection<String> messages) {
      said.addAll(messages);
    }

    /// Whether nothing is wrong so far.
    public boolean none() {
      return said.isEmpty();
    }

    /// Goes on when nothing was wrong, else throws all of it, a line each.
    public void end() throws ConfigException {
      if (!said.isEmpty()) {
        throw new ConfigException(String.join("\n", said));
      }
    }
  }
}
