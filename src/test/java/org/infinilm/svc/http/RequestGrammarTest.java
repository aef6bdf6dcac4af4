package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The table of what the grammar refuses; `~` stands for CR LF, `^` for a lone CR, `_` for a lone
/// LF.
class RequestGrammarTest {
  private static final String HEAD = "GET / HTTP/1.1~Host: x~";

  private static ByteBuf bytes(String s) {
    return Unpooled.copiedBuffer(
        s.replace("~", "\r\n").replace('^', '\r').replace('_', '\n').replace('@', '\0'),
        ISO_8859_1);
  }

  private static String head(String s, int step) {
    RequestGrammar g = new RequestGrammar();
    ByteBuf b = bytes(s);
    for (int k = 0; k < b.writerIndex(); k += step) {
      g.read(b, k, Math.min(k + step, b.writerIndex()));
    }
    return g.problem() == null ? g.atStart() ? "whole" : "part" : g.problem();
  }

  private static String chunks(String s, int step) {
    RequestGrammar g = new RequestGrammar();
    g.chunked();
    ByteBuf b = bytes(s);
    for (int k = 0; k < b.writerIndex(); k += step) {
      g.read(b, k, Math.min(k + step, b.writerIndex()));
    }
    return g.problem() == null ? g.atStart() ? "whole" : "part" : g.problem();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "~|whole",
        "A:~B: \t v \t~c:\u00e4\u00ff~~|whole",
        " A: b~~|obs-fold",
        "\tb~~|obs-fold",
        ": b~~|without a name",
        "A : b~~|before the colon",
        "A\t: b~~|before the colon",
        "A b: c~~|before the colon",
        "A(: c~~|field name",
        "A~~|field name",
        "A: b@c~~|control character",
        "A: b\u001bc~~|control character",
        "A: b\u007fc~~|control character",
        "A: b^c~~|bare CR",
        "A: b_~|bare LF",
        "A_: b~~|field name",
        "_|bare LF",
        "^^|bare CR",
        "A: b~|part"
      })
  void headsAreReadToTheLetter(String fields, String expected) {
    for (int step : List.of(1, 2, 7, 1000)) {
      String said = head(HEAD + fields.translateEscapes(), step);
      assertThat(said).contains(expected);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "~GET / HTTP/1.1~~|whole",
        "~~GET / HTTP/1.1~~|more than one empty line",
        "^GET / HTTP/1.1~~|bare CR",
        "_GET / HTTP/1.1~~|request line",
        " GET / HTTP/1.1~~|request line",
        "GET  / HTTP/1.1~~|one space",
        "GET /  HTTP/1.1~~|request line",
        "GET / HTTP/1.1 ~~|version",
        "GET /\t HTTP/1.1~~|request target",
        "GET /a b HTTP/1.1~~|request line",
        "GET /\u00e4 HTTP/1.1~~|request target",
        "GET /@ HTTP/1.1~~|request target",
        "GET / http/1.1~~|request line",
        "GET / HTTP/11~~|request line",
        "GET / HTTP/1.10~~|version",
        "GET /~~|request target",
        "G(T / HTTP/1.1~~|method",
        "GET\t/ HTTP/1.1~~|method",
        "\u0016\u0003\u0001|request line",
        "GET / HTTP/1.1~ A: b~~|before the first",
      })
  void requestLinesAreReadToTheLetter(String line, String expected) {
    for (int step : List.of(1, 3, 1000)) {
      assertThat(head(line.translateEscapes(), step)).contains(expected);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "0~~|whole",
        "3~a_b~0~~|whole",
        "0000000a~0123456789~0~~|whole",
        "1;a=\"b\";c~x~0;last~T: x~~|whole",
        "1~x|part",
        "1~x~|part",
        "~|chunk size",
        "-1~|chunk size",
        "+1~x~|chunk size",
        "0x1~x~|chunk size",
        " 1~x~|chunk size",
        "1 ~x~|chunk size",
        "1 ;a~x~|chunk size",
        "000000001~x~|chunk size",
        "fffffffff~|chunk size",
        "1_x~|chunk size",
        "1^x~|bare CR",
        "1;a_x~|chunk extension",
        "1;a@~x~|chunk extension",
        "1~xy~|after a chunk",
        "1~x^0~~|after a chunk",
        "1~x_0~~|after a chunk",
        "0~ T: x~~|several lines",
        "0~T : x~~|before the colon",
        "0~_|bare LF"
      })
  void chunksAreReadToTheLetter(String chunks, String expected) {
    for (int step : List.of(1, 2, 5, 1000)) {
      assertThat(chunks(chunks.translateEscapes(), step)).contains(expected);
    }
  }

  @Test
  void anExtensionIsBounded() {
    assertThat(chunks("1;" + "a".repeat(1024) + "~x~0~~", 64)).isEqualTo("whole");
    assertThat(chunks("1;" + "a".repeat(1025) + "~x~0~~", 64)).contains("chunk extension");
  }
}
