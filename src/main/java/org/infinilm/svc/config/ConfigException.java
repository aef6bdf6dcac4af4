package org.infinilm.svc.config;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A value that cannot be used; the message names the place (`file:line`, flag or variable), the
/// wrong value and the expected one, and is meant to be printed as it is. Programs end with exit
/// code 2.
public final class ConfigException extends Exception {
  /// Each thing that is wrong.
  private final String[] said;

  public ConfigException(String message) {
    this(List.of(message));
  }

  private ConfigException(List<String> said) {
    super(String.join("\n", said));
    this.said = said.toArray(String[]::new);
  }

  /// What went wrong with a file that a value names, in words.
  public static String reason(IOException e) {
    String name = e.getClass().getSimpleName().replace("Exception", "");
    return e instanceof FileSystemException fse && fse.getReason() != null
        ? fse.getReason()
        : name.equals("IO") ? String.valueOf(e.getMessage()) : name + " " + e.getMessage();
  }

  /// Gathers what is wrong with several settings, so that whoever wrote them is told all of it at
  /// once: each thing once, those of a file by their lines. What reads a value that was refused
  /// already ([Config#gather]) adds nothing. Used by one thread.
  public static final class Wrongs {
    /// The place that a message begins with.
    private static final Pattern PLACE = Pattern.compile("(?s)(\\S.*?):([0-9]{1,9}): .*");

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
        addAll(List.of(e.said));
      } catch (Refused e) {
        // said where it was refused
      }
      return otherwise;
    }

    /// Goes on where it is wrong, which [#end] will say.
    public void in(Step step) {
      this.<@Nullable Object>of(
          () -> {
            step.take();
            return null;
          },
          null);
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
        throw new ConfigException(inOrder());
      }
    }

    /// Files in the order in which they were named first, and in each the lines.
    private List<String> inOrder() {
      List<String> files = new ArrayList<>();
      List<Placed> all = new ArrayList<>();
      for (String s : said) {
        Matcher m = PLACE.matcher(s);
        String file = m.matches() ? m.group(1) : "";
        if (!files.contains(file)) {
          files.add(file);
        }
        all.add(
            new Placed(files.indexOf(file), file.isEmpty() ? 0 : Integer.parseInt(m.group(2)), s));
      }
      all.sort(Comparator.comparingInt(Placed::file).thenComparingInt(Placed::line));
      return all.stream().map(Placed::message).toList();
    }

    private record Placed(int file, int line, String message) {}
  }

  /// A value is read that was refused, and that has no default to go on with.
  static final class Refused extends RuntimeException {
    Refused(String key) {
      super(key + " was refused");
    }
  }
}
