package org.infinilm.svc.config;

import java.io.IOException;
import java.nio.file.FileSystemException;

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
}
