package org.infinilm.svc.engine;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.engine.GgufHeader.Items;
import org.infinilm.svc.engine.GgufHeader.Tensor;

/// What llama.cpp (build b4916) takes for granted in a GGUF file, and ends the process over when it
/// is not so. A guard against damaged files and mistakes; a file made to attack native code may
/// still find a way, so files are to be taken from those whom one trusts.
final class GgufCheck {
  private static final int MOST_LAYERS = 512;
  private static final long MOST_WIDTH = 1 << 20;
  private static final int MOST_TOKENS = 4_000_000;

  /// Models that make vectors or sounds, not text.
  static final Set<String> ENCODERS =
      Set.of(
          "bert",
          "nomic-bert",
          "nomic-bert-moe",
          "jina-bert-v2",
          "t5",
          "t5encoder",
          "clip",
          "wavtokenizer-dec");

  /// Recurrent ones, which have no key-value cache.
  private static final Set<String> RECURRENT =
      Set.of("mamba", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7");

  /// Architectures whose heads are rotated whole and are as wide for keys as for values.
  private static final Set<String> WHOLE_HEADS =
      Set.of(
          "arctic",
          "baichuan",
          "codeshell",
          "dbrx",
          "deepseek",
          "exaone",
          "falcon",
          "grok",
          "internlm2",
          "llama",
          "minicpm",
          "olmo",
          "orion",
          "plamo",
          "qwen2",
          "qwen2moe",
          "qwen2vl",
          "starcoder2",
          "xverse");

  /// Kinds of vocabulary that texts can be tokenised with.
  static final Set<String> VOCABULARIES = Set.of("llama", "gpt2");

  private static final List<String> SCALINGS = List.of("none", "linear", "yarn", "longrope");
  private static final int MOST_EXPERTS = 256;

  /// Bytes of a block and its elements, by ggml's type number, of the types that weights have.
  private static final Map<Integer, int[]> BLOCKS =
      Map.ofEntries(
          Map.entry(0, new int[] {4, 1}),
          Map.entry(1, new int[] {2, 1}),
          Map.entry(2, new int[] {18, 32}),
          Map.entry(3, new int[] {20, 32}),
          Map.entry(6, new int[] {22, 32}),
          Map.entry(7, new int[] {24, 32}),
          Map.entry(8, new int[] {34, 32}),
          Map.entry(10, new int[] {84, 256}),
          Map.entry(11, new int[] {110, 256}),
          Map.entry(12, new int[] {144, 256}),
          Map.entry(13, new int[] {176, 256}),
          Map.entry(14, new int[] {210, 256}),
          Map.entry(16, new int[] {66, 256}),
          Map.entry(17, new int[] {74, 256}),
          Map.entry(18, new int[] {98, 256}),
          Map.entry(19, new int[] {50, 256}),
          Map.entry(20, new int[] {18, 32}),
          Map.entry(21, new int[] {110, 256}),
          Map.entry(22, new int[] {82, 256}),
          Map.entry(23, new int[] {136, 256}),
          Map.entry(29, new int[] {56, 256}),
          Map.entry(30, new int[] {2, 1}),
          Map.entry(34, new int[] {54, 256}),
          Map.entry(35, new int[] {66, 256}));

  private final Path file;
  private final GgufHeader header;

  private GgufCheck(Path file, GgufHeader header) {
    this.file = file;
    this.header = header;
  }

  /// @throws EngineException naming what is wrong and what is expected
  static void of(Path file, GgufHeader header) throws EngineException {
    GgufCheck check = new GgufCheck(file, header);
    check.kind();
    check.shape();
    check.vocabulary();
    try {
      check.tensors();
    } catch (ArithmeticException e) {
      throw check.wrong("a tensor", "more than 2^63 bytes", "one that the file holds");
    }
  }

  static boolean isName(String architecture) {
    return architecture.matches("[a-z0-9_-]{1,40}");
  }

  private void kind() throws EngineException {
    String architecture = header.architecture();
    if (!isName(architecture)) {
      throw wrong("general.architecture", "missing or no name", "a name like llama");
    }
    if (ENCODERS.contains(architecture) || RECURRENT.contains(architecture)) {
      throw wrong(
          "general.architecture",
          architecture,
          "a model that generates text with a key-value cache; this kind does not");
    }
  }

  private void shape() throws EngineException {
    String a = header.architecture() + ".";
    long layers = within(a + "block_count", header.number("block_count"), 1, MOST_LAYERS);
    within(a + "context_length", header.number("context_length"), 1, Integer.MAX_VALUE);
    long width = within(a + "embedding_length", header.number("embedding_length"), 1, MOST_WIDTH);
    long heads = perLayer("attention.head_count", layers, MOST_WIDTH, true);
    long keyHeads = perLayer("attention.head_count_kv", layers, heads, false);
    if (keyHeads > 0 && heads % keyHeads != 0) {
      throw wrong(a + "attention.head_count_kv", keyHeads, "a divisor of the " + heads + " heads");
    }
    perLayer("feed_forward_length", layers, MOST_WIDTH * 64, false);
    Long own = header.number("attention.key_length");
    long head = own == null ? width / heads : own;
    if (own == null && width % heads != 0) {
      throw wrong(a + "embedding_length", width, "a multiple of the " + heads + " heads");
    }
    optional("attention.key_length", 1, MOST_WIDTH);
    optional("attention.value_length", 1, MOST_WIDTH);
    Long rotated = header.number("rope.dimension_count");
    if (rotated != null && (rotated < 2 || rotated > head || rotated % 2 != 0)) {
      throw wrong(a + "rope.dimension_count", rotated, "even, 2.." + head);
    }
    Long values = header.number("attention.value_length");
    boolean even = values == null ? own == null || own == width / heads : values.equals(head);
    boolean whole = rotated == null || rotated == head;
    if (WHOLE_HEADS.contains(header.architecture()) && !(even && whole)) {
      throw wrong(
          a + "rope.dimension_count",
          rotated + ", heads of " + head + " and " + values,
          "one width for keys, values and rotation");
    }
    experts();
    numbers();
    positive("attention.layer_norm_rms_epsilon");
    positive("attention.layer_norm_epsilon");
    positive("rope.freq_base");
  }

  /// Of all experts some are used; none only where there are none.
  private void experts() throws EngineException {
    optional("expert_count", 0, MOST_EXPERTS);
    Long count = header.number("expert_count");
    if (count != null && count > 0) {
      String used = header.architecture() + ".expert_used_count";
      within(used, header.number("expert_used_count"), 1, count);
    } else {
      optional("expert_used_count", 0, 0);
    }
  }

  /// Fractions are finite, and positions are scaled in a way that llama.cpp knows.
  private void numbers() throws EngineException {
    String own = header.architecture() + ".";
    for (Map.Entry<String, Object> e : header.values().entrySet()) {
      if (e.getKey().startsWith(own) && e.getValue() instanceof Double d && !Double.isFinite(d)) {
        throw wrong(e.getKey(), d, "a number");
      }
    }
    Object scaling = header.values().get(own + "rope.scaling.type");
    if (scaling != null && !(scaling instanceof String s && SCALINGS.contains(s))) {
      throw wrong(own + "rope.scaling.type", scaling, String.join(", ", SCALINGS));
    }
    for (String key : List.of("rope.scaling.factor", "rope.scale_linear")) {
      Object factor = header.values().get(own + key);
      if (factor != null && !(factor instanceof Double d && d >= 0 && d < 1e30)) {
        throw wrong(own + key, factor, "a number from 0");
      }
    }
  }

  /// A number, or a list with one a layer; the largest.
  private long perLayer(String key, long layers, long most, boolean required)
      throws EngineException {
    String name = header.architecture() + "." + key;
    Object value = header.values().get(name);
    if (value instanceof Items items) {
      double[] numbers = items.numbers();
      if (numbers == null || numbers.length < layers) {
        throw wrong(name, items.count() + " items", layers + " numbers");
      }
      for (double n : numbers) {
        if (!(n >= 0 && n <= most) || n != Math.rint(n)) {
          throw wrong(name, n, "whole numbers 0.." + most);
        }
      }
    } else if (value != null || required) {
      within(name, GgufHeader.whole(value), 1, most);
    }
    Long largest = header.most(key);
    if (required && (largest == null || largest < 1)) {
      throw wrong(name, "0", "1 or more");
    }
    return largest == null ? 0 : largest;
  }

  private void optional(String key, long least, long most) throws EngineException {
    String name = header.architecture() + "." + key;
    if (header.values().containsKey(name)) {
      within(name, header.number(key), least, most);
    }
  }

  private void positive(String key) throws EngineException {
    String name = header.architecture() + "." + key;
    Object value = header.values().get(name);
    if (value != null && !(value instanceof Double d && d > 0 && d < 1e30)) {
      throw wrong(name, value, "a number above 0");
    }
  }

  private long within(String name, @org.jspecify.annotations.Nullable Long n, long least, long most)
      throws EngineException {
    if (n == null || n < least || n > most) {
      throw wrong(name, n == null ? "missing or no whole number" : n, least + ".." + most);
    }
    return n;
  }

  private void vocabulary() throws EngineException {
    String model = header.text("tokenizer.ggml.model").orElse("missing");
    if (!VOCABULARIES.contains(model)) {
      throw wrong("tokenizer.ggml.model", model, "llama or gpt2");
    }
    Items tokens = header.items("tokenizer.ggml.tokens").orElse(null);
    List<String> texts = tokens == null ? null : tokens.texts();
    if (texts == null || texts.isEmpty() || texts.size() > MOST_TOKENS) {
      throw wrong("tokenizer.ggml.tokens", "no list of texts", "1.." + MOST_TOKENS + " texts");
    }
    Set<String> all = new HashSet<>();
    for (String t : texts) {
      if (!t.isEmpty() && !all.add(t)) {
        throw wrong("tokenizer.ggml.tokens", "two equal tokens", "each once");
      }
    }
    beside("tokenizer.ggml.scores", texts.size(), 6);
    beside("tokenizer.ggml.token_type", texts.size(), 5);
    for (String key : header.values().keySet()) {
      if (key.startsWith("tokenizer.ggml.") && key.endsWith("_token_id")) {
        within(key, GgufHeader.whole(header.values().get(key)), 0, texts.size() - 1L);
      }
    }
    if (model.equals("llama")) {
      for (int b = 0; b < 256; b++) {
        String token = "<0x%02X>".formatted(b);
        if (!all.contains(token) && !(b < 0x80 && all.contains("" + (char) b))) {
          throw wrong("tokenizer.ggml.tokens", "no token for byte " + b, "one for every byte");
        }
      }
    } else {
      Items merges = header.items("tokenizer.ggml.merges").orElse(null);
      List<String> pairs = merges == null ? null : merges.texts();
      if (pairs == null || pairs.stream().anyMatch(m -> m.indexOf(' ', 1) < 1)) {
        throw wrong("tokenizer.ggml.merges", "no list of pairs", "texts of two parts each");
      }
    }
  }

  private void beside(String key, int count, int type) throws EngineException {
    Object value = header.values().get(key);
    if (value != null && !(value instanceof Items i && i.count() == count && i.type() == type)) {
      throw wrong(
          key,
          value instanceof Items i ? i.count() + " items of type " + i.type() : "no list",
          count + " of type " + type + ", as many as there are tokens");
    }
  }

  private void tensors() throws EngineException {
    Set<String> names = new HashSet<>();
    long end = 0;
    for (Tensor t :
        header.tensors().stream().sorted(Comparator.comparingLong(Tensor::offset)).toList()) {
      if (!names.add(t.name())) {
        throw wrong(t.name(), "there twice", "once");
      }
      int[] block = BLOCKS.get(t.type());
      if (block == null) {
        throw wrong(t.name(), "type " + t.type(), "a type of weights that llama.cpp b4916 has");
      }
      if (t.shape().getFirst() % block[1] != 0) {
        throw wrong(t.name(), t.shape().getFirst() + " wide", "a multiple of " + block[1]);
      }
      long bytes = Math.multiplyExact(t.elements() / block[1], (long) block[0]);
      if (t.offset() < end || t.offset() % header.alignment() != 0) {
        throw wrong(t.name(), "at " + t.offset(), "behind the tensor before it, aligned");
      }
      end = Math.addExact(t.offset(), bytes);
      if (end > header.dataBytes()) {
        throw wrong(
            t.name(), "ends at " + end, "at most " + header.dataBytes() + ", the file's data");
      }
    }
    if (names.isEmpty()) {
      throw wrong("tensors", "none", "the weights of a model");
    }
  }

  private EngineException wrong(String what, Object seen, String expected) {
    String clean = what.replaceAll("[^\\x20-\\x7e]", "?");
    return new EngineException(
        file
            + ": damaged, or no model for this engine: "
            + clean
            + ": "
            + seen
            + " (expected: "
            + expected
            + ")");
  }
}
