package org.infinilm.svc.config;

/// A value that cannot be used; the message names the place (`file:line`, flag or variable), the
/// wrong value and the expected one, and is meant to be printed as it is. Programs end with exit
/// code 2.
public final class ConfigException extends Exception {
  public ConfigException(String message) {
    super(message);
  }
}
