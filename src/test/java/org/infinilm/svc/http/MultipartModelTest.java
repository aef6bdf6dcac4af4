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
        "--b-1~CONTENT-DISPOSITION:  Form-Data ; Name=\"model\" ; x=y~Content-Type: text/plain~~m~--b-1--",
        "--b-1~Content-Type: text/plain; name=\"x\"~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "~~--b-1 \t~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
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
        "--b-1~Content-Disposition: form-data; name=\"Model\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; name=\"xmodel\"~~m~--b-1--",
        "--b-1~Content-Disposition: form-data; x=\"; name=model\"~~m~--b-1--",
        "--b-1~X-Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1--~--b-1~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
        "--b-1\nContent-Disposition: form-data; name=\"model\"\n\nm\n--b-1--\n",
        "--b-1~Content-Disposition: form-data; name=\"file\"~~Content-Disposition: form-data; name=\"model\"~~m~--b-1--",
      })
  void whatIsNoModelIsNone(String body) {
    Peeked p = peek(body);
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).isNull();
  }

  /// What stands as a second part behind one that names `m`, or before all.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "attachment; name=\"model\"",
        ";name=\"model\"",
        "x; name=model",
        "form-data; name=\"x\"; name=\"model\"",
        "form-data; name=\"model\"; name=\"x\"",
        "form-data; name =model",
        "form-data; name= model",
        "form-data; name=\"m\\odel\"",
        "form-data; name=\"model ",
        "form-data; name=\"model\"x",
        "form-data; \u00a0name=\"model\"",
        "form-data; x=\\\"; name=\"model\"",
        "form-data; filename=\"; name=\\\"model\\\"\"",
        "form-data; name*=utf-8''model",
        "form-data; name=\"x\"; name*=utf-8''%6Dodel",
        "form-data; name*0=mo; name*1=del",
        "form-data; name=\"model\"; filename=\"m\"",
        "form-data; name=\"model\"; filename=\"\"",
        "form-data; name=\"model\"; filename",
        "form-data; name=\"model\"; filename*=utf-8''m",
        "form-data; name=\"model\"~Content-Disposition: form-data; name=\"x\"",
        "form-data; name=\"x\"~Content-Disposition: form-data; name=\"model\"",
        "form-data;~ name=\"model\"",
        "form-data; name=\"x\"~Content-Disposition : form-data; name=\"model\"",
      })
  void aPartThatIsTheModelToSomeReadersAloneIsAProblem(String disposition) {
    String first = "--b-1~Content-Disposition: form-data; name=\"model\"~~m~";
    String odd = "--b-1~Content-Disposition: " + disposition + "~~m2~";
    for (String body : new String[] {first + odd, odd + first, odd}) {
      Peeked p = peek(body + "--b-1--");
      assertThat(p.model()).as(body).isNull();
      assertThat(p.modelProblem()).as(body).isNotNull();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "form-data; name=\"file\"; filename=\"model.wav\"",
        "form-data; name=\"file\"; filename=\"my \\\"model\\\".wav\"",
        "form-data; name=\"file\"; filename=\"a; name=model\"",
        "form-data; name=\"file\"; filename*=utf-8''model%20x.wav",
        "form-data; name*=utf-8''%E5%90%8D",
        "form-data; name=\"\u6a21\u578b\"",
        "form-data; name=\"models\";",
        "attachment; name=\"file\"",
        "form-data",
      })
  void otherPartsAreNone(String disposition) {
    String odd = "--b-1~Content-Disposition: " + disposition + "~~m2~";
    Peeked p =
        peek(odd + "--b-1~Content-Disposition: form-data; name=\"model\"~~m~" + odd + "--b-1--");
    assertThat(p.modelProblem()).isNull();
    assertThat(p.model()).isEqualTo("m");
  }

  @ParameterizedTest
  @ValueSource(strings = {"preamble~", "x", "\n", "-~", "--b-1\n~", "--b-1x~", "--b-1-~"})
  void textBeforeTheFirstBoundaryIsAProblem(String preamble) {
    String part = "--b-1~Content-Disposition: form-data; name=\"model\"~~m~";
    Peeked p = peek(preamble + part + part + "--b-1--");
    assertThat(p.model()).isNull();
    assertThat(p.modelProblem()).contains("first boundary");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "multipart/form-data; boundary=b | true",
        "Multipart/Form-Data;charset=UTF-8;BOUNDARY=\"a b;c\"; | true",
        "multipart/form-data; charset=iso-8859-1; boundary=b | true",
        "multipart/form-data; boundary=b; boundary=c | false",
        "multipart/form-data; boundary=b; boundary*=utf-8''c | false",
        "multipart/form-data; boundary = b | false",
        "multipart/form-data; boundary=b c | false",
        "multipart/form-data; x=\"; boundary=c\\\"\"; boundary=b | false",
        "multipart/form-data; boundary=b, multipart/form-data; boundary=c | false",
        "multipart/form-data; charset=utf-7; boundary=b | false",
        "multipart/form-data; charset=utf-16; boundary=b | false",
      })
  void aContentTypeThatReadsInTwoWaysIsAProblem(String type, boolean clear) {
    assertThat(FormHeader.problem(type) == null).isEqualTo(clear);
  }

  @Test
  void theValueIsEverythingUpToTheDelimiter() {
    String value = "ä~-~--~--b~--b-~--b-1x~--b-1-x~--b-1 x~\r--b-1\n";
    Peeked p = peek("--b-1~Content-Disposition: form-data; name=\"model\"~~" + value + "~--b-1--");
    assertThat(p.model()).isEqualTo(value.replace("~", "\r\n"));
  }

  @Test
  void aModelIsNamedAFewTimesAtMost() {
    String once = "--b-1~Content-Disposition: form-data; name=\"model\"~~a~";
    assertThat(peek(once.repeat(16) + "--b-1--").model()).isEqualTo("a");
    assertThat(peek(once.repeat(17) + "--b-1--").modelProblem())
        .isEqualTo("model: given more than 16 times (expected: once)");
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
