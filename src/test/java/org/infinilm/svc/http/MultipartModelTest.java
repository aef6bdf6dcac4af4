package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MultipartModelTest {
  private static final byte[] BOUNDARY = "b-1".getBytes(UTF_8);

  /// Reads a body in which `~` stands for CR LF: whole, and in pieces of 1, 2 and 7 bytes.
  private static Peeked peek(String body) {
    byte[] b = body.replace("~", "\r\n").getBytes(UTF_8);
    MultipartModel whole = new MultipartModel(BOUNDARY);
    whole.feed(b, 0, b.length);
    Peeked p = whole.peeked(b.length);
    for (int size : new int[] {1, 2, 7}) {
      MultipartModel pieces = new MultipartModel(BOUNDARY);
      for (int k = 0; k < b.length; k += size) {
        pieces.feed(b, k, Math.min(b.length, k + size));
      }
      assertThat(pieces.peeked(b.length)).isEqualTo(p);
    }
    return p;
  }

  private static final String FILE =
      "--b-1~Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"~"
          + "Content-Type: audio/wav~~RIFF--b-1\n--b-1~-b-1~--b-2~--b-1x~~";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--~",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m~" + FILE + "--b-1--~",
        FILE + "--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~content-disposition:form-data;name=model~~m~--b-1--",
        "--b-1~CONTENT-DISPOSITION:  Form-Data ; Name = \"model\" ; x=y~Content-Type: text/plain~~m~--b-1--",
        "--b-1~Content-Type: text/plain; name=\"x\"~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"m\\odel\"~~m~--b-1--",
        "preamble~--b-1 \t~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"x\"~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1~Content-Disposition: form-data; name=\"file\"~~cut off",
        "--b-1~Content-Disposition: form-data; name=\"file\"~~~~--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
      })
  void theModelIsFoundWhereverItStands(String body) {
    Peeked p = peek(body);
    assertThat(p.form()).isEqualTo(Form.MULTIPART);
    assertThat(p.modelProblem()).isNull();
    assertThat(p.model()).isEqualTo("m");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "--b-1--",
        "m",
        FILE + "--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m",
        "--b-1~Content-Disposition: form-data; name=\"model\"; filename=\"m\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"Model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"xmodel\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; filename=\"; name=\\\"model\\\"\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; x=\"; name=model\"~~m~--b-1--",
        "--b-1~Content-Disposition: attachment; name=\"model\"~~m~--b-1--",
        "--b-1~X-Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~Content-Disposition: form-data; name=\"x\"~~m~--b-1--",
        "--b-1--~--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1\nContent-Disposition: form-data; name=\"model\"\n\nm\n--b-1--\n",
        "x--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"file\"~~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
      })
  void whatIsNoModelIsNone(String body) {
    Peeked p = peek(body);
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).isNull();
  }

  @Test
  void theValueIsEverythingUpToTheDelimiter() {
    String value = "ä~-~--~--b~--b-~--b-1x~--b-1-x~--b-1 x~\r--b-1\n";
    Peeked p = peek("--b-1~Content-Disposition: form-data; name=\"model\"~~" + value + "~--b-1--");
    assertThat(p.model()).isEqualTo(value.replace("~", "\r\n"));
  }

  @Test
  void twoModelsAreAProblem() {
    String a = "--b-1~Content-Disposition: form-data; name=\"model\"~~a~";
    Peeked p = peek(a + a.replace("~a~", "~b~") + "--b-1--");
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).isEqualTo("model: given twice, \"a\" and \"b\" (expected: once)");
    Peeked none = peek(a + a.replace("~a~", "~~") + "--b-1--");
    assertThat(none.modelProblem()).contains("\"a\" and \"\"");
  }

  @Test
  void aValueLongerThanAnyModelsNameIsAProblem() {
    Peeked p =
        peek(
            "--b-1~Content-Disposition: form-data; name=\"model\"~~"
                + "m".repeat(9000)
                + "~--b-1--");
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).startsWith("model: longer than");
  }

  @Test
  void aLongHeaderLineIsPassedOver() {
    String body =
        "--b-1~X: %s~Content-Disposition: form-data; name=\"model\"~Y: %s~~m~--b-1--"
            .formatted("x".repeat(20_000), "\r".repeat(20_000));
    assertThat(peek(body).model()).isEqualTo("m");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "multipart/form-data; boundary=abc | abc",
        "Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b;c\" | a b;c",
        "multipart/form-data; boundary=\"a\\\"b\" | a\"b",
        "multipart/form-data | -",
        "multipart/form-data; boundary= | -",
        "multipart/form-data; x=boundary=a | -",
        "multipart/mixed; boundary=abc | -",
        "application/json | -",
      })
  void theBoundaryIsReadFromTheContentType(String type, String boundary) {
    byte[] b = MultipartModel.boundary(type);
    assertThat(b == null ? null : new String(b, UTF_8)).isEqualTo(boundary);
  }

  @Test
  void aBoundaryThatRepeatsItselfIsFound() {
    for (String boundary : new String[] {"-", "--", "-\r\n-", "aab", "\r\n--"}) {
      MultipartModel m = new MultipartModel(boundary.getBytes(UTF_8));
      String body =
          "--"
              + boundary
              + "\r\nContent-Disposition: form-data; name=file\r\n\r\n\r\n-\r\n\r\n\r\n--aa\r\n--"
              + boundary
              + "\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--"
              + boundary
              + "--";
      byte[] b = body.getBytes(UTF_8);
      m.feed(b, 0, b.length);
      assertThat(m.peeked(b.length).model()).as(boundary).isEqualTo("m");
    }
  }

  /// A scan that goes back, or looks at a line again for each of its words, would take days.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "content-disposition:",
        "content-disposition: form-data; name=\"model\"\r\n",
        "content-disposition: form-data; name=\"",
        "content-disposition: form-data;",
        "\r\n--b-",
        "\r\n--b-1\r\n",
        "\r\n--b-1\r\n\r\n",
        "\r\n--b-1 ",
        "\r",
        "\r\n",
        "\\\"",
      })
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void tenMegabytesOfAnythingAreReadInOnePass(String piece) {
    byte[] unit = piece.repeat(20_000_000 / piece.length() / 2).getBytes(UTF_8);
    for (String start :
        new String[] {
          "", "--b-1\r\n", "--b-1\r\nContent-Disposition: form-data; name=model\r\n\r\n"
        }) {
      MultipartModel m = new MultipartModel(BOUNDARY);
      byte[] s = start.getBytes(UTF_8);
      m.feed(s, 0, s.length);
      m.feed(unit, 0, unit.length);
      String end =
          "\r\n\r\n\r\n--b-1\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b-1--";
      byte[] e = end.getBytes(UTF_8);
      m.feed(e, 0, e.length);
      assertThat(m.wantsMore()).isFalse();
    }
  }

  @Test
  void theModelIsFoundBehindTwoHundredMegabytes() {
    MultipartModel m = new MultipartModel(BOUNDARY);
    byte[] head =
        "--b-1\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n".getBytes(UTF_8);
    m.feed(head, 0, head.length);
    byte[] sound = new byte[1 << 20];
    new Random(1).nextBytes(sound);
    for (int k = 0; k < 200; k++) {
      m.feed(sound, 0, sound.length);
    }
    byte[] end =
        "\r\n--b-1\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b-1--"
            .getBytes(UTF_8);
    m.feed(end, 0, end.length);
    assertThat(m.peeked(0).model()).isEqualTo("m");
  }

  /// Against a reader that has the whole body and splits it.
  @Test
  void agreesWithASplitter() {
    Random random = new Random(20);
    String[] words = {
      "\r\n",
      "\n",
      "\r",
      "--b-1",
      "--b-1--",
      "-",
      "m",
      " ",
      "--",
      "b-1",
      "Content-Disposition: form-data; name=model\r\n\r\n",
      "Content-Disposition: form-data; name=x\r\n\r\n",
    };
    for (int round = 0; round < 50_000; round++) {
      StringBuilder body = new StringBuilder(random.nextBoolean() ? "--b-1\r\n" : "");
      for (int k = random.nextInt(14); k > 0; k--) {
        body.append(words[random.nextInt(words.length)]);
      }
      body.append(random.nextBoolean() ? "\r\n--b-1--" : "");
      Peeked p = peek(body.toString());
      assertThat(p.model())
          .as("%s", shown(body))
          .isEqualTo(p.modelProblem() != null ? null : split(body.toString()));
    }
  }

  private static String shown(CharSequence s) {
    return s.toString().replace("\r", "\\r").replace("\n", "\\n");
  }

  /// The last value of `model`, by splitting; null when there is none.
  private static String split(String body) {
    String all = "\r\n" + body;
    String model = null;
    Matcher m = DELIMITER.matcher(all);
    boolean found = m.find();
    while (found && !m.group().endsWith("--")) {
      int headers = m.end();
      int blank = all.startsWith("\r\n", headers) ? headers - 2 : all.indexOf("\r\n\r\n", headers);
      if (blank < 0) {
        return model;
      }
      boolean isModel = false;
      for (String h : all.substring(headers, Math.max(headers, blank)).split("\r\n")) {
        if (h.startsWith("Content-Disposition:")) {
          isModel = h.equals("Content-Disposition: form-data; name=model");
        }
      }
      found = m.find(blank + 4);
      if (found && isModel && m.start() > blank + 4) {
        model = all.substring(blank + 4, m.start());
      }
    }
    return model;
  }

  private static final Pattern DELIMITER = Pattern.compile("\r\n--b-1(?:--|[ \t]*\r\n)");

  @Test
  void whatIsFedBehindTheEndIsNotLookedAt() {
    MultipartModel m = new MultipartModel(BOUNDARY);
    byte[] b = "--b-1--".getBytes(UTF_8);
    m.feed(b, 0, b.length);
    assertThat(m.wantsMore()).isFalse();
    m.feed(Arrays.copyOf(b, 100), 0, 100);
    assertThat(m.peeked(7).form()).isEqualTo(Form.MULTIPART);
    assertThat(m.peeked(0).form()).isEqualTo(Form.EMPTY);
  }
}
