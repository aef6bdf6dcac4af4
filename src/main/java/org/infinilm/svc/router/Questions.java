package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.JsonPeek;
import org.infinilm.svc.http.JsonPeek.Form;
import org.infinilm.svc.http.JsonPeek.Peeked;
import org.infinilm.svc.policy.Policies;
import org.jspecify.annotations.Nullable;

/// Turns a request into a [Question]: which model, how large, may it be repeated. Stateless.
final class Questions {
  /// Fewest bytes a prompt token can have in the densest text; what does not fit even so is
  /// refused.
  private static final double MOST_BYTES_PER_TOKEN = 12;

  private static final int MULTIPART_PEEK = 64 << 10;
  private static final Pattern MULTIPART_MODEL =
      Pattern.compile(
          "(?i)content-disposition:[^\\r\\n]*\\bname=\"model\"[^\\r\\n]*\\r\\n(?:[^\\r\\n]+\\r\\n)*+\\r\\n([^\\r\\n]*)\\r\\n");

  /// Routes whose body is a JSON object.
  private static final Set<String> JSON_ROUTES =
      Set.of(
          "/v1/chat/completions",
          "/chat/completions",
          "/v1/completions",
          "/completions",
          "/v1/embeddings",
          "/embeddings",
          "/v1/rerank",
          "/rerank",
          "/v1/responses",
          "/tokenize",
          "/detokenize");

  /// JSON routes whose POST has no effect but its answer, so that it may be sent again.
  private static final Set<String> NOT_REPLAYABLE = Set.of("/v1/responses");

  private Questions() {}

  static Question.Result read(Plane plane, Inbound in) {
    String path = in.head().path();
    ErrorShape shape = shape(path);
    boolean post = in.head().method().equals("POST");
    boolean json = post && JSON_ROUTES.contains(path);
    RouterConfig config = plane.config();
    Peeked peeked =
        post ? JsonPeek.at(in.body(), config.metric() != SizeMetric.BODY) : JsonPeek.NOTHING;
    ApiError wrong = json ? wrong(peeked) : null;
    if (wrong != null) {
      return new Question.Wrong(wrong, shape);
    }
    String model = peeked.model();
    boolean multipart = post && peeked.form() == Form.OTHER && isMultipart(in);
    if (multipart) {
      model = multipartModel(in);
    }
    RoutingTable table = plane.table().get();
    Fleet fleet = table.fleet();
    boolean renamed = false;
    if (model != null) {
      String meant = config.names().meant(model, fleet);
      renamed = !meant.equals(model);
      model = meant;
      if (fleet.forModel(model) == null) {
        return new Question.Wrong(config.names().unknown(model, table), shape);
      }
    } else if (post && (json || multipart || peeked.form() == Form.OBJECT)) {
      List<String> offered = fleet.models();
      if (offered.size() > 1) {
        return new Question.Wrong(
            ApiError.invalid(
                "model_required",
                "model: missing (expected: one of " + String.join(", ", offered) + ")"),
            shape);
      }
      model = offered.isEmpty() ? null : offered.getFirst();
    }
    return new Question.Asked(question(plane, in, peeked, model, renamed, shape, json, post));
  }

  private static Question question(
      Plane plane,
      Inbound in,
      Peeked peeked,
      @Nullable String model,
      boolean renamed,
      ErrorShape shape,
      boolean json,
      boolean post) {
    RouterConfig config = plane.config();
    long bodyBytes = in.body().readableBytes();
    double bytesPerToken = plane.learner().bytesPerToken(model);
    long promptTokens = (long) Math.ceil(bodyBytes / bytesPerToken);
    long size =
        switch (config.metric()) {
          case BODY -> bodyBytes;
          case TEXT -> Math.max(0, peeked.textBytes());
          case TOKENS -> promptTokens;
        };
    String session =
        config.sessionHeader() == null ? null : in.head().header(config.sessionHeader());
    boolean generation = json && !NOT_REPLAYABLE.contains(in.head().path());
    return new Question(
        model,
        renamed,
        shape,
        peeked.stream(),
        bodyBytes,
        size,
        config.thresholdOf(model),
        promptTokens + peeked.maxTokens(),
        (long) Math.ceil(bodyBytes / MOST_BYTES_PER_TOKEN) + peeked.maxTokens(),
        affinity(model, peeked, session),
        generation,
        generation || (!post && safe(in.head().method())));
  }

  private static ErrorShape shape(String path) {
    return switch (path) {
      case "/v1/messages", "/v1/messages/count_tokens" -> ErrorShape.ANTHROPIC;
      case "/v1/responses" -> ErrorShape.RESPONSES;
      default -> ErrorShape.OPENAI;
    };
  }

  private static long affinity(@Nullable String model, Peeked peeked, @Nullable String session) {
    String of = model == null ? "default" : model;
    String key = peeked.promptCacheKey();
    if (key != null && !key.isEmpty()) {
      return Policies.affinity(of + ":prompt_cache:" + key);
    }
    return session == null || session.isEmpty() ? 0 : Policies.affinity(of + ":session:" + session);
  }

  private static boolean safe(String method) {
    return method.equals("GET") || method.equals("HEAD") || method.equals("OPTIONS");
  }

  /// What is wrong with the body of a JSON route, or null. A body that breaks after its model is
  /// the instance's to judge.
  private static @Nullable ApiError wrong(Peeked p) {
    if (p.modelProblem() != null) {
      return ApiError.invalid("invalid_model", p.modelProblem());
    }
    return switch (p.form()) {
      case EMPTY -> ApiError.invalid("invalid_json", "the body is empty (expected: a JSON object)");
      case OTHER ->
          ApiError.invalid("invalid_json", "the body is no JSON object (expected: {...})");
      case BROKEN ->
          p.model() != null
              ? null
              : ApiError.invalid(
                  "invalid_json",
                  "the body is no JSON object: " + shorten(String.valueOf(p.problem())));
      case OBJECT -> null;
    };
  }

  /// The first line of a parser's message, without what it quotes of the body.
  private static String shorten(String problem) {
    int end = problem.indexOf('\n');
    String line = end < 0 ? problem : problem.substring(0, end);
    int quote = line.indexOf('\'');
    return (quote < 0 ? line : line.substring(0, quote)).strip();
  }

  private static boolean isMultipart(Inbound in) {
    String type = in.head().header("content-type");
    return type != null && type.strip().regionMatches(true, 0, "multipart/form-data", 0, 19);
  }

  /// The value of the part named `model` in the first 64 KiB of a multipart body.
  private static @Nullable String multipartModel(Inbound in) {
    ByteBuf b = in.body();
    String start =
        b.toString(
            b.readerIndex(), Math.min(b.readableBytes(), MULTIPART_PEEK), StandardCharsets.UTF_8);
    Matcher m = MULTIPART_MODEL.matcher(start);
    return m.find() && !m.group(1).isEmpty() ? m.group(1) : null;
  }
}
