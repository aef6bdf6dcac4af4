package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A thousand altered headers in a child process: each file is refused or serves, and none ends the
/// process.
class GgufFuzz {
  private static final int FILES = 1000;
  private static final int[] EXTREMES = {0, 1, 2, 3, -1, 7, 255, 1 << 16, 1 << 30, 1 << 31, 33};

  private static final Float[] FRACTIONS = {0f, -1f, 1e-30f, 4f, 1e30f, Float.NaN, Float.MAX_VALUE};
  private static final List<String> WORDS =
      List.of("", "foo", "yarn", "linear", "none", "longrope");
  private static final List<String> MORE =
      List.of(
          "rope.scaling.type",
          "rope.scaling.factor",
          "rope.scaling.original_context_length",
          "rope.scaling.attn_factor",
          "rope.scaling.finetuned",
          "rope.scaling.yarn_log_multiplier",
          "rope.scale_linear",
          "rope.freq_base",
          "rope.dimension_sections",
          "expert_count",
          "expert_used_count",
          "expert_shared_count",
          "expert_feed_forward_length",
          "expert_weights_scale",
          "expert_gating_func",
          "attention.key_length",
          "attention.value_length",
          "attention.sliding_window",
          "attention.causal",
          "attention.clamp_kqv",
          "attention.max_alibi_bias",
          "attention.layer_norm_epsilon",
          "attention.scale",
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "logit_scale",
          "embedding_scale",
          "residual_scale",
          "pooling_type",
          "use_parallel_residual",
          "leading_dense_block_count",
          "vocab_size",
          "tensor_data_layout",
          "decoder_start_token_id");

  @TempDir Path folder;

  @Test
  void noAlteredHeaderEndsTheProcess() throws Exception {
    Process child =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                GgufFuzz.class.getName(),
                folder.toString(),
                "0",
                "" + FILES)
            .redirectErrorStream(true)
            .start();
    String said = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    List<String> lines = said.lines().filter(l -> l.startsWith("file ")).toList();
    String end = said.substring(Math.max(0, said.length() - 2000));
    assertThat(child.waitFor()).as(end).isZero();
    assertThat(lines).as(end).hasSize(FILES);
    assertThat(lines).anyMatch(l -> l.contains(" served"));
    assertThat(lines).anyMatch(l -> l.contains(" refused"));
  }

  /// The child: folder, first file, end.
  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    byte[][] models = {
      Files.readAllBytes(GgufWriter.write(folder.resolve("a.gguf"), GgufWriter.Size.TINY, 1, null)),
      Files.readAllBytes(GgufWriter.writeQwen(folder.resolve("b.gguf"), GgufWriter.Size.TINY, 1))
    };
    Path library = NativeLibrary.unpack(System.getenv());
    for (int i = Integer.parseInt(args[1]); i < Integer.parseInt(args[2]); i++) {
      byte[] altered = altered(models[i % 2], new SplittableRandom(i));
      Path file = Files.write(folder.resolve("x.gguf"), altered);
      System.out.println("begin " + i);
      System.out.println("file " + i + " " + serve(library, file));
    }
  }

  /// The header ends where the values of the first tensor begin; all of it is before that.
  private static byte[] altered(byte[] model, SplittableRandom random) {
    byte[] out = model.clone();
    int header = GgufCheckTest.valueOf(model, "token_embd.weight") + 4000;
    header = Math.min(header, model.length - 8);
    ByteBuffer words = ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN);
    switch (random.nextInt(6)) {
      case 0 -> {
        for (int n = 1 + random.nextInt(4); n > 0; n--) {
          out[random.nextInt(header)] = (byte) random.nextInt();
        }
      }
      case 1 -> words.putInt(number(model, random), EXTREMES[random.nextInt(EXTREMES.length)]);
      case 2 -> words.putInt(number(model, random), random.nextInt(200));
      case 3 -> {
        int at = random.nextInt(header);
        words.putInt(at, EXTREMES[random.nextInt(EXTREMES.length)]);
      }
      case 4 -> {
        return added(model, random);
      }
      default -> {
        return random.nextInt(4) == 0
            ? Arrays.copyOf(out, random.nextInt(out.length))
            : flipped(out, header, random);
      }
    }
    return out;
  }

  /// With a value more, of those that llama.cpp reads where they are there.
  private static byte[] added(byte[] model, SplittableRandom random) {
    String text = new String(model, StandardCharsets.ISO_8859_1);
    String key =
        (text.contains("qwen2.block_count") ? "qwen2." : "llama.")
            + MORE.get(random.nextInt(MORE.size()));
    Object value =
        switch (random.nextInt(4)) {
          case 0 -> WORDS.get(random.nextInt(WORDS.size()));
          case 1 -> FRACTIONS[random.nextInt(FRACTIONS.length)];
          case 2 -> EXTREMES[random.nextInt(EXTREMES.length)];
          default -> random.nextInt(500);
        };
    byte[] out = GgufCheckTest.with(model, key, value);
    return random.nextBoolean() ? out : added(out, random);
  }

  private static byte[] flipped(byte[] out, int header, SplittableRandom random) {
    out[random.nextInt(header)] ^= (byte) (1 << random.nextInt(8));
    return out;
  }

  private static int number(byte[] model, SplittableRandom random) {
    String text = new String(model, StandardCharsets.ISO_8859_1);
    String architecture = text.contains("qwen2.block_count") ? "qwen2" : "llama";
    String[] keys = {
      architecture + ".context_length",
      architecture + ".embedding_length",
      architecture + ".block_count",
      architecture + ".feed_forward_length",
      architecture + ".attention.head_count",
      architecture + ".attention.head_count_kv",
      architecture + ".attention.layer_norm_rms_epsilon",
      architecture + ".rope.dimension_count",
      architecture + ".vocab_size",
      "tokenizer.ggml.bos_token_id",
      "tokenizer.ggml.eos_token_id",
      "general.file_type",
      "tokenizer.ggml.token_type",
      "tokenizer.ggml.tokens"
    };
    return GgufCheckTest.valueOf(model, keys[random.nextInt(keys.length)])
        + 4 * random.nextInt(2) * random.nextInt(3);
  }

  private static String serve(Path library, Path file) throws IOException {
    NativeLlama llama;
    try {
      llama = NativeLlama.load(library, file);
    } catch (EngineException e) {
      return "refused " + e.getMessage();
    }
    try (llama) {
      llama.open(new Llama.Layout(64, 32, 32, 1, 1, false, false));
      TokenTable table = new TokenTable(llama.vocabulary());
      int[] prompt = llama.vocabulary().tokenize("the tin on Zürich € 😀\n\t\u0001", true);
      Batch batch = new Batch(32);
      batch.clear();
      for (int i = 0; i < Math.min(prompt.length, 30); i++) {
        batch.add(prompt[i], i, 0, true);
      }
      if (batch.size > 0 && llama.decode(batch) == Llama.Decoded.DONE) {
        float[] logits = new float[table.size()];
        llama.logits(batch.size - 1, logits);
        table.piece(Logits.likeliest(logits));
      }
      llama.vocabulary().prompt(List.of(new Vocabulary.Message("user", "hi")), true);
      return "served";
    } catch (EngineException | RuntimeException e) {
      return "refused later " + e;
    }
  }
}
