package org.infinilm.svc.babysitter;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a babysitter can run.
enum BackendType {
  COMMAND("command", "command", true),
  VLLM("vLLM", "model", true),
  MOCK("mock", null, false),
  INFINILM("InfiniLM", "model_path", true),
  INFINILM_RUST("InfiniLM-Rust", "config_file", true),
  ENGINE("engine", "model_path", false),
  SIMULATE("simulate", "model_path", false);

  private final String word;
  private final @Nullable String subject;
  private final boolean subjectRequired;

  BackendType(String word, @Nullable String subject, boolean subjectRequired) {
    this.word = word;
    this.subject = subject;
    this.subjectRequired = subjectRequired;
  }

  /// The word of `--service-type`; in lower case that of `type` in `[backend]`.
  String word() {
    return word;
  }

  String tag() {
    return word.toLowerCase(Locale.ROOT);
  }

  /// The key of `[backend]` that says what is run: a command, a model or a file; null for none.
  @Nullable String subject() {
    return subject;
  }

  boolean subjectRequired() {
    return subjectRequired;
  }

  /// The keys that `[backend]` may have for this type.
  List<String> keys() {
    List<String> keys =
        new ArrayList<>(
            List.of("type", "args", "work_dir", "env", "weight", "models", "api_key_env"));
    if (subject != null) {
      keys.add(subject);
    }
    if (this == ENGINE || this == SIMULATE || this == INFINILM) {
      keys.add("cache_type");
    }
    return keys;
  }

  static List<String> words() {
    return Arrays.stream(values()).map(BackendType::word).toList();
  }

  /// Whether it is a program of this project.
  boolean isOurs() {
    return this == ENGINE || this == SIMULATE;
  }

  /// Case does not matter.
  static Optional<BackendType> parse(String word) {
    return Arrays.stream(values()).filter(t -> t.word.equalsIgnoreCase(word)).findFirst();
  }
}
