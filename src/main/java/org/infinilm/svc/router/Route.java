package org.infinilm.svc.router;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Store;
import org.jspecify.annotations.Nullable;

/// What is known of the paths that instances serve; the table of docs/router.md. All of it is about
/// POST: other methods carry nothing that is read.
enum Route {
  CHAT(
      Body.JSON,
      Look.CHAT,
      true,
      Repeat.UNLESS_STORED,
      ErrorShape.OPENAI,
      "/v1/chat/completions",
      "/chat/completions"),
  COMPLETIONS(
      Body.JSON,
      Look.CHAT,
      true,
      Repeat.UNLESS_STORED,
      ErrorShape.OPENAI,
      "/v1/completions",
      "/completions"),
  RESPONSES(
      Body.JSON,
      Look.RESPONSES,
      true,
      Repeat.WHEN_NOT_STORED,
      ErrorShape.RESPONSES,
      "/v1/responses"),
  MESSAGES(Body.JSON, Look.MESSAGES, true, Repeat.ALWAYS, ErrorShape.ANTHROPIC, "/v1/messages"),
  COUNT_TOKENS(
      Body.JSON,
      Look.MESSAGES,
      false,
      Repeat.ALWAYS,
      ErrorShape.ANTHROPIC,
      "/v1/messages/count_tokens"),
  EMBEDDINGS(Body.JSON, "/v1/embeddings", "/embeddings"),
  RERANK(Body.JSON, "/v1/rerank", "/v2/rerank", "/rerank"),
  SCORE(Body.JSON, "/v1/score", "/score"),
  CLASSIFY(Body.JSON, "/v1/classify", "/classify"),
  POOLING(Body.JSON, "/v1/pooling", "/pooling"),
  TOKENIZE(Body.JSON, "/v1/tokenize", "/tokenize"),
  DETOKENIZE(Body.JSON, "/v1/detokenize", "/detokenize"),
  TRANSCRIPTIONS(Body.MULTIPART, "/v1/audio/transcriptions", "/audio/transcriptions"),
  TRANSLATIONS(Body.MULTIPART, "/v1/audio/translations", "/audio/translations"),
  SPEECH(Body.JSON, "/v1/audio/speech", "/audio/speech"),
  IMAGES(
      Body.JSON,
      Look.CHAT,
      false,
      Repeat.NEVER,
      ErrorShape.OPENAI,
      "/v1/images/generations",
      "/images/generations"),
  IMAGE_EDITS(
      Body.MULTIPART,
      Look.CHAT,
      false,
      Repeat.NEVER,
      ErrorShape.OPENAI,
      "/v1/images/edits",
      "/images/edits"),
  /// Any other path: routed by its model where it names one, and passed on.
  OTHER(Body.ANY, Look.CHAT, false, Repeat.NEVER, ErrorShape.OPENAI);

  /// What the body must be.
  enum Body {
    /// An object, whatever its content type says.
    JSON,
    /// multipart/form-data, or an object.
    MULTIPART,
    ANY
  }

  private enum Repeat {
    ALWAYS,
    UNLESS_STORED,
    WHEN_NOT_STORED,
    NEVER
  }

  private static final Map<String, Route> BY_PATH = new HashMap<>();

  static {
    for (Route r : values()) {
      r.paths.forEach(p -> BY_PATH.put(p, r));
    }
  }

  private final Body body;
  private final Look look;
  private final boolean onePrompt;
  private final Repeat repeat;
  private final ErrorShape errors;

  @SuppressWarnings("ImmutableEnumChecker") // a copy
  private final List<String> paths;

  Route(
      Body body, Look look, boolean onePrompt, Repeat repeat, ErrorShape errors, String... paths) {
    this.body = body;
    this.look = look;
    this.onePrompt = onePrompt;
    this.repeat = repeat;
    this.errors = errors;
    this.paths = List.of(paths);
  }

  Route(Body body, String... paths) {
    this(body, Look.CHAT, false, Repeat.ALWAYS, ErrorShape.OPENAI, paths);
  }

  static Route of(String path) {
    return BY_PATH.getOrDefault(path, OTHER);
  }

  List<String> paths() {
    return paths;
  }

  /// The place of a path of its own among them; 0 for those of [#OTHER].
  int place(String path) {
    return Math.max(0, paths.indexOf(path));
  }

  Body body() {
    return body;
  }

  /// Where the text of its prompt stands.
  Look look() {
    return look;
  }

  /// Whether a request is one prompt in one context, so that its text tells whether it fits.
  boolean onePrompt() {
    return onePrompt;
  }

  ErrorShape errors() {
    return errors;
  }

  /// The form of its event streams, or null when the API defines none.
  @Nullable StreamForm stream() {
    return switch (this) {
      case CHAT, COMPLETIONS -> StreamForm.OPENAI;
      case MESSAGES -> StreamForm.MESSAGES;
      case RESPONSES -> StreamForm.RESPONSES;
      default -> null;
    };
  }

  /// Whether a POST whose body says this about `store` may be sent again while no answer has begun.
  boolean repeatable(Store store) {
    return switch (repeat) {
      case ALWAYS -> true;
      case UNLESS_STORED -> store != Store.YES;
      case WHEN_NOT_STORED -> store == Store.NO;
      case NEVER -> false;
    };
  }
}
