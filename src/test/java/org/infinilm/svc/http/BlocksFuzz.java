package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.junit.jupiter.api.Test;

/// Reading by blocks against reading by words, and both against Jackson's tree: strings that go
/// over the ends of blocks and pieces, in any pieces, whole and damaged.
///
/// A million documents: `mvn -B test -Dtest=BlocksFuzz -Dinfini.fuzz.documents=1000000`.
class BlocksFuzz {
  private static final int DOCUMENTS = Integer.getInteger("infini.fuzz.documents", 30_000);
  private static final List<Look> LOOKS = List.of(Look.values());
  private static final JsonMapper TREE = new JsonMapper();

  private static final String[] TEXTS = {
    "plain text of some words ",
    "a",
    " ",
    "0123456789",
    ";{}[],:",
    "\\n",
    "\\\"",
    "\\\\",
    "\\\\\\\\\\\\\\\\",
    "\\t",
    "\\r",
    "\\/",
    "\\b",
    "\\f",
    "\\u00e9",
    "\\u0041",
    "\\u4eca",
    "\\u4eCa\\u5929\\u6c14",
    "\\u07ff\\u0800\\u0080\\uD7FF\\uffFD",
    "\\u003c",
    "\\ud83d\\ude00",
    "é",
    "日本",
    "ก",
    "한국",
    "😀",
    "\ud83c\udf89",
    "data:",
    "/",
    "\u007f",
    "x".repeat(63),
    "x".repeat(64)
  };

  private static final String[] WRONG = {
    "\\q", "\\u4g00", "\\u00/0", "\\u00:0", "\\u00`0", "\\udc00", "\u0001", "\\u12", "\\ud83d", "\n"
  };

  private static final int[] WRONG_BYTES = {
    0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, '"', '\\', 0, 0x1f
  };

  private final SplittableRandom random =
      new SplittableRandom(Long.getLong("infini.fuzz.seed", 20261128));

  @Test
  void blocksSayWhatWordsAndTheTreeSay() throws JsonProcessingException {
    for (int round = 0; round < DOCUMENTS; round++) {
      String json = document(false);
      byte[] body = json.getBytes(UTF_8);
      Peeked p = same(body, Look.CHAT);
      assertThat(p.form()).as(json).isEqualTo(Form.OBJECT);
      JsonNode tree = TREE.readTree(json);
      assertThat(p.model()).as(json).isEqualTo(tree.path("model").asText());
      assertThat(p.extent().textBytes()).as(json).isEqualTo(text(tree));
    }
  }

  @Test
  void damageIsSeenByBothAlike() {
    for (int round = 0; round < DOCUMENTS; round++) {
      byte[] body = document(true).getBytes(UTF_8);
      for (int k = random.nextInt(3); k > 0; k--) {
        body[random.nextInt(body.length)] =
            (byte)
                (random.nextBoolean()
                    ? WRONG_BYTES[random.nextInt(WRONG_BYTES.length)]
                    : random.nextInt(256));
      }
      byte[] cut =
          random.nextInt(4) > 0 ? body : Arrays.copyOf(body, random.nextInt(body.length + 1));
      same(cut, LOOKS.get(random.nextInt(LOOKS.size())));
    }
  }

  /// A stop at every place of a block and of the one behind it, with everything else plain.
  @Test
  void everyPlaceOfABlock() {
    String[] stops = {
      "\\n", "\\\\", "\\u00e4", "\\/", "é", "日", "😀", "ก", "한", "\\q", "\u0001", "\\\\\\\"", ""
    };
    for (int at = 0; at < 150; at++) {
      for (String s : stops) {
        for (int behind : new int[] {0, 1, 62, 63, 64, 130}) {
          String text = "x".repeat(at) + s + "y".repeat(behind);
          byte[] whole =
              ("{\"messages\":[{\"content\":\"" + text + "\"}],\"model\":\"m\"}").getBytes(UTF_8);
          same(whole, Look.CHAT);
          same(Arrays.copyOf(whole, 24 + at + 1 + at % 4), Look.CHAT);
        }
      }
    }
  }

  /// By words, by blocks, and by blocks in pieces, with kinds and without.
  private Peeked same(byte[] body, Look look) {
    Peeked words = read(body, look, true, Blocks.By.WORDS, body.length);
    int most = random.nextBoolean() ? 40 : 1 + random.nextInt(1, body.length + 2);
    String text = new String(body, UTF_8);
    assertThat(read(body, look, true, Blocks.By.BLOCKS, body.length)).as(text).isEqualTo(words);
    assertThat(read(body, look, true, Blocks.By.BLOCKS, most)).as(text).isEqualTo(words);
    Peeked sizes = read(body, look, false, Blocks.By.WORDS, body.length);
    assertThat(read(body, look, false, Blocks.By.BLOCKS, body.length)).as(text).isEqualTo(sizes);
    assertThat(read(body, look, false, Blocks.By.BLOCKS, most)).as(text).isEqualTo(sizes);
    assertThat(sizes.extent()).as(text).isEqualTo(words.extent());
    return words;
  }

  private Peeked read(byte[] body, Look look, boolean kinds, Blocks.By by, int most) {
    JsonPeek p = new JsonPeek(look, kinds, by);
    int before = random.nextInt(70);
    byte[] array = new byte[before + body.length + random.nextInt(70)];
    random.nextBytes(array);
    System.arraycopy(body, 0, array, before, body.length);
    for (int at = 0; at < body.length; ) {
      int n =
          most >= body.length ? body.length : Math.min(random.nextInt(1, most), body.length - at);
      p.feed(array, before + at, before + at + n);
      at += n;
    }
    return p.peeked(body.length);
  }

  /// One in fifty is larger than a piece.
  private String document(boolean wrong) {
    StringBuilder b = new StringBuilder("{\"messages\":[");
    for (int k = random.nextInt(6); k >= 0; k--) {
      b.append("{\"role\":\"user\",\"content\":\"");
      int many = random.nextInt(50) == 0 ? 2000 : 30;
      int few = random.nextInt(1, TEXTS.length);
      boolean varied = random.nextBoolean();
      for (int n = random.nextInt(many); n > 0; n--) {
        b.append(TEXTS[varied ? random.nextInt(TEXTS.length) : random.nextInt(few)]);
      }
      if (wrong && random.nextInt(8) == 0) {
        b.append(WRONG[random.nextInt(WRONG.length)]);
      }
      b.append(k == 0 ? "\"}" : "\"},");
    }
    return b.append("],\"model\":\"m\"}").toString();
  }

  private static long text(JsonNode tree) {
    long sum = 0;
    for (JsonNode m : tree.path("messages")) {
      String text = m.path("content").asText();
      // of a `data:` URL nothing counts
      sum += text.matches("(?s)data:[a-zA-Z]{1,26}/.*") ? 0 : text.getBytes(UTF_8).length;
    }
    return sum;
  }
}
