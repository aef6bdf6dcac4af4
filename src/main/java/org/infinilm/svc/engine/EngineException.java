package org.infinilm.svc.engine;

/// A start that cannot go on; the message is for the user and names what to do.
final class EngineException extends Exception {
  EngineException(String message) {
    super(message);
  }
}
