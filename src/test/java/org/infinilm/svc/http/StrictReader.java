package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Reads HTTP/1.1 requests by the letter of RFC 9112: shares no code with the product and forgives
/// nothing. A second opinion on where a message ends.
public final class StrictReader {
  /// @param fields names in lower case
  /// @param trailers the same
  public record Message(
      String method,
      String target,
      List<Header> fields,
      byte[] body,
      List<Header> trailers,
      int end) {
    public List<String> all(String name) {
      return fields.stream().filter(f -> f.name().equals(name)).map(Header::value).toList();
    }
  }

  /// Not what the RFC allows.
  public static final class Wrong extends RuntimeException {
    Wrong(String why) {
      super(why);
    }
  }

  private final String all;
  private List<Header> trailers = List.of();
  private int at;

  private StrictReader(String all) {
    this.all = all;
  }

  /// The message that `bytes` are, all of them and nothing more.
  public static Message one(byte[] bytes) {
    Message m = first(bytes);
    if (m.end() != bytes.length) {
      throw new Wrong(bytes.length - m.end() + " bytes after the message");
    }
    return m;
  }

  /// The message that `bytes` begin with.
  public static Message first(byte[] bytes) {
    StrictReader r = new StrictReader(new String(bytes, ISO_8859_1));
    if (r.all.startsWith("\r\n")) {
      r.at = 2; // one empty line is tolerated, section 2.2
    }
    String line = r.line();
    if (!line.matches("[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\\x21-\\x7e]+ HTTP/1\\.[01]")) {
      throw new Wrong("request line");
    }
    String[] words = line.split(" ");
    List<Header> fields = r.fields();
    Message head = new Message(words[0], words[1], fields, new byte[0], List.of(), 0);
    byte[] body = r.body(head, words[2].endsWith("1"));
    return new Message(words[0], words[1], fields, body, r.trailers, r.at);
  }

  private List<Header> fields() {
    List<Header> fields = new ArrayList<>();
    for (String line = line(); !line.isEmpty(); line = line()) {
      if (!line.matches("[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\\t\\x20-\\x7e\\x80-\\xff]*")) {
        throw new Wrong("field");
      }
      int colon = line.indexOf(':');
      fields.add(
          new Header(
              line.substring(0, colon).toLowerCase(Locale.ROOT),
              line.substring(colon + 1).strip()));
    }
    return fields;
  }

  private byte[] body(Message head, boolean http11) {
    List<String> lengths = head.all("content-length");
    List<String> codings = head.all("transfer-encoding");
    if (lengths.size() + codings.size() > 1) {
      throw new Wrong("framing told twice");
    }
    if (head.all("host").size() != 1 && http11) {
      throw new Wrong("not one Host");
    }
    if (!lengths.isEmpty()) {
      if (!lengths.getFirst().matches("[0-9]{1,9}")) {
        throw new Wrong("length");
      }
      return take(Integer.parseInt(lengths.getFirst())).getBytes(ISO_8859_1);
    }
    if (codings.isEmpty()) {
      return new byte[0];
    }
    if (!http11 || !codings.getFirst().equalsIgnoreCase("chunked")) {
      throw new Wrong("transfer coding");
    }
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    while (true) {
      String size = line();
      if (!size.matches("[0-9a-fA-F]{1,8}(;[\\t\\x20-\\x7e\\x80-\\xff]*)?")) {
        throw new Wrong("chunk size");
      }
      long n = Long.parseLong(size.replaceFirst(";.*", ""), 16);
      if (n == 0) {
        trailers = fields();
        return body.toByteArray();
      }
      body.writeBytes(take(n).getBytes(ISO_8859_1));
      if (!take(2).equals("\r\n")) {
        throw new Wrong("end of a chunk");
      }
    }
  }

  private String line() {
    int end = all.indexOf('\n', at);
    if (end < 1 || all.charAt(end - 1) != '\r') {
      throw new Wrong("line end");
    }
    String line = all.substring(at, end - 1);
    at = end + 1;
    return line;
  }

  private String take(long n) {
    if (n > all.length() - at) {
      throw new Wrong("cut off");
    }
    at += (int) n;
    return all.substring(at - (int) n, at);
  }
}
