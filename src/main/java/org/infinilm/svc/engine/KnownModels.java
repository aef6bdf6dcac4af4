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

  private KnownModels() {}

  /// The architecture of a model that generates text and that this engine cannot serve; null when
  /// it can, or when a start of it says what is wrong with the file.
  public static @Nullable String unknownArchitecture(Path gguf) {
    try {
      String architecture = GgufHeader.read(gguf).architecture();
      boolean serves =
          ARCHITECTURES.contains(architecture)
              || GgufCheck.ENCODERS.contains(architecture)
              || !GgufCheck.isName(architecture);
      return serves ? null : architecture;
    } catch (EngineException damaged) {
      return null;
    }
  }
}
