package org.infinilm.svc.router;

import io.netty.util.ByteProcessor;
import java.nio.charset.StandardCharsets;

/// Keeps the name of the last named event of a stream that passes (the HTML standard, section
/// 9.2.5), and whether that event is complete. Event-loop confined.
final class EventNames implements ByteProcessor {
  private static final int MOST_BYTES = 64;
  private static final String FIELD = "event:";

  private final byte[] line = new byte[MOST_BYTES];
  private int lineBytes;
  private String name = "";
  private boolean complete;

  @Override
  public boolean process(byte b) {
    if (b != '\n' && b != '\r') {
      if (lineBytes < MOST_BYTES) {
        line[lineBytes] = b;
      }
      lineBytes++;
      return true;
    }
    if (lineBytes == 0) {
      complete = true;
    } else if (lineBytes <= MOST_BYTES) {
      field(new String(line, 0, lineBytes, StandardCharsets.UTF_8));
    }
    lineBytes = 0;
    return true;
  }

  private void field(String said) {
    if (said.startsWith(FIELD)) {
      name = said.substring(FIELD.length()).strip();
      complete = false;
    }
  }

  /// The last event's name; empty before its empty line has come.
  String last() {
    return complete ? name : "";
  }
}
