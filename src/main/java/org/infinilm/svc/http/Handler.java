package org.infinilm.svc.http;

/// Answers one control-plane request on a virtual thread of its own; may block. An exception
/// becomes a 500 and a log line.
@FunctionalInterface
public interface Handler {
  Response handle(Request request) throws Exception;
}
