package org.infinilm.svc.engine;

import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Which models the llama.cpp in this engine (build b4916, March 2025) knows.
public final class KnownModels {
  /// Architectures by the names in files (`general.architecture`).
  static final Set<String> ARCHITECTURES =
      Set.of(
          "llama",
          "deci",
          "falcon",
          "grok",
          "gpt2",
          "gptj",
          "gptneox",
          "mpt",
          "baichuan",
          "starcoder",
          "refact",
          "bloom",
          "stablelm",
          "qwen",
          "qwen2",
          "qwen2moe",
          "qwen2vl",
          "phi2",
          "phi3",
          "phimoe",
          "plamo",
          "codeshell",
          "orion",
          "internlm2",
          "minicpm",
          "minicpm3",
          "gemma",
          "gemma2",
          "gemma3",
          "starcoder2",
          "xverse",
          "command-r",
          "cohere2",
          "dbrx",
          "olmo",
          "olmo2",
          "olmoe",
          "openelm",
          "arctic",
          "deepseek",
          "deepseek2",
          "chatglm",
          "bitnet",
          "jais",
          "nemotron",
          "exaone",
          "granite",
          "granitemoe",
          "chameleon");

  /// How texts are split before they are tokens, where the vocabulary is `gpt2`
  /// (`tokenizer.ggml.pre`).
  static final Set<String> SPLITS =
      Set.of(
          "default",
          "llama3",
          "llama-v3",
          "llama-bpe",
          "falcon3",
          "deepseek-llm",
          "deepseek-coder",
          "deepseek-v3",
          "deepseek-r1-qwen",
          "falcon",
          "mpt",
          "starcoder",
          "gpt-2",
          "gpt-4o",
          "phi-2",
          "jina-es",
          "jina-de",
          "jina-v1-en",
          "jina-v2-es",
          "jina-v2-de",
          "jina-v2-code",
          "roberta-bpe",
          "gigachat",
          "refact",
          "command-r",
          "qwen2",
          "stablelm2",
          "olmo",
          "dbrx",
          "smaug-bpe",
          "poro-chat",
          "chatglm-bpe",
          "viking",
          "jais",
          "tekken",
          "smollm",
          "codeshell",
          "bloom",
          "gpt3-finnish",
          "exaone",
          "chameleon",
          "minerva-7b",
          "megrez");

  private KnownModels() {}

  /// What this engine does not know of a model that generates text, as `architecture qwen3`; null
  /// when it can serve it, or when a start of it says what is wrong with the file.
  public static @Nullable String unknown(Path gguf) {
    GgufHeader header;
    String architecture;
    try {
      header = GgufHeader.read(gguf);
      architecture = header.architecture();
    } catch (EngineException damaged) {
      return null;
    }
    if (GgufCheck.ENCODERS.contains(architecture) || !GgufCheck.isName(architecture)) {
      return null;
    }
    if (!ARCHITECTURES.contains(architecture)) {
      return "architecture " + architecture;
    }
    String vocabulary = header.text("tokenizer.ggml.model").orElse("");
    if (!GgufCheck.VOCABULARIES.contains(vocabulary)) {
      return GgufCheck.isName(vocabulary) ? "tokenizer " + vocabulary : null;
    }
    String split = header.text("tokenizer.ggml.pre").orElse("default");
    boolean known = !vocabulary.equals("gpt2") || SPLITS.contains(split);
    return known || !GgufCheck.isName(split) ? null : "tokenizer " + split;
  }
}
