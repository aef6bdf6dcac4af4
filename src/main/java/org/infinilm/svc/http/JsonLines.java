package org.infinilm.svc.http;

import com.fasterxml.jackson.core.JsonParser;
import java.io.IOException;

/// Finds the line of a value in a JSON document, for error messages.
final class JsonLines {
  private JsonLines() {}

  /// The line (from 1) where the value of `pointer` (RFC 6901) stands, or that of the nearest
  /// enclosing value when it is absent.
  static int of(byte[] document, String pointer) {
    int line = 1;
    int depth = -1;
    try (JsonParser p = Json.tokens(document, 0, document.length)) {
      while (p.nextToken() != null) {
        String here = p.getParsingContext().pathAsPointer().toString();
        boolean encloses = pointer.equals(here) || pointer.startsWith(here + "/");
        if (encloses && here.length() > depth) {
          depth = here.length();
          line = p.currentTokenLocation().getLineNr();
        }
      }
    } catch (IOException broken) {
      return line;
    }
    return line;
  }
}
