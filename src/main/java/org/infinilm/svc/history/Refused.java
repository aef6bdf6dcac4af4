package org.infinilm.svc.history;

/// A file that is left as it is: another router's, a later version's, another program's.
final class Refused extends Exception {
  private static final long serialVersionUID = 1;

  Refused(String message) {
    super(message);
  }
}
