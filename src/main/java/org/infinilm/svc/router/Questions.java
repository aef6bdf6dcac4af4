package org.infinilm.svc.router;

import java.util.List;
import java.util.Objects;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.BodyPeek.Extent;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.policy.Ask.TextKind;
import org.infinilm.svc.policy.Policies;
import org.jspecify.annotations.Nullable;

/// Turns a request into a [Question]: which model, how large, may it be repeated. Stateless.
final class Questions {
  /// Most bytes of words that a token stands for on average; a text that does not fit even so is
  /// refused.
  private static final long MOST_BYTES_PER_TOKEN = 12;

  /// Bytes per token of bodies whose prompt is not known.
  private static final long USUAL_BYTES_PER_TOKEN = 4;

  /// Bytes per token of text that is all digits and marks, before anything is known of its model.
  private static final long DENSE_BYTES_PER_TOKEN = 2;

  /// Shares of a text's bytes from which on it is of a kind.
  private static final double WIDE_SHARE = 0.25;

  private static final double CODE_SHARE = 0.2;

  private Questions() {}

  /// @param key who asks, or null where there are no keys
  static Question.Result read(Plane plane, Inbound in, @Nullable ClientKey key) {
    RequestHead head = in.head();
    RouterConfig config = plane.config();
    Route route = Route.of(head.path());
    boolean post = head.method().equals("POST");
    Look look =
        route.onePrompt() || config.metric() != SizeMetric.BODY ? route.look() : Look.NOTHING;
    Peeked peeked = post ? peek(plane, in, route, look, kindsAtOnce(plane, in)) : BodyPeek.NOTHING;
    boolean bound = key != null && !key.models().isEmpty();
    ApiError wrong = post && (route != Route.OTHER || bound) ? wrong(peeked, route, bound) : null;
    if (wrong == null && bound) {
      wrong = elsewhere(BodyPeek.query(head.target()), peeked);
    }
    if (wrong != null) {
      return wrong(wrong, route, peeked, config);
    }
    RoutingTable table = plane.table().get();
    Fleet fleet = table.fleet();
    String model = peeked.model();
    boolean renamed = false;
    if (model != null) {
      String meant = config.names().meant(model, fleet);
      renamed = !meant.equals(model);
      if (key != null && !key.opens(model) && !key.opens(meant)) {
        return wrong(notOpen(peeked.model(), key), route, peeked, config);
      }
      Candidates among = fleet.forModel(meant);
      if (among == null) {
        ApiError unknown =
            config
                .names()
                .unknown(String.valueOf(peeked.model()), meant, table, plane.ticker().nanos());
        return wrong(unknown, route, peeked, config);
      }
      // the fleet's own copy of the word, which outlives the request's
      model = among.model();
    } else if (post
        && (route == Route.OTHER ? readable(peeked.form()) : !bound || namesNone(peeked.form()))) {
      List<String> offered = key == null ? fleet.models() : config.names().open(key, fleet);
      if (offered.size() > 1) {
        return wrong(noModel(peeked, offered), route, peeked, config);
      }
      model = offered.isEmpty() ? null : config.names().meant(offered.getFirst(), fleet);
    }
    if (model == null && bound && key != null) {
      return wrong(notOpen(null, key), route, peeked, config);
    }
    return new Question.Asked(question(plane, in, peeked, model, renamed, route, post));
  }

  private static Question.Wrong wrong(ApiError e, Route route, Peeked peeked, RouterConfig config) {
    Extent extent = peeked.extent();
    long size =
        switch (config.metric()) {
          case BODY -> peeked.bytes();
          case TEXT -> extent == null ? 0 : extent.textBytes();
          case TOKENS -> 0; // a model's tokens
        };
    return new Question.Wrong(e, route.errors(), peeked.model(), size);
  }

  /// Whether the model exists is nobody's to know who may not use it.
  private static ApiError notOpen(@Nullable String model, ClientKey key) {
    return ApiError.forbidden(
        "model_not_allowed",
        "model: "
            + (model == null ? "none" : "'" + ModelNames.shown(model) + "'")
            + " (expected: one of "
            + ModelNames.list(key.models().stream().sorted().toList())
            + ", which the key "
            + key.name()
            + " opens)");
  }

  /// A model in the query counts for no route here, and may for an instance.
  private static @Nullable ApiError elsewhere(Peeked query, Peeked body) {
    boolean same = query.modelProblem() == null && query.model() != null;
    same = same && Objects.equals(query.model(), body.model());
    boolean none = query.modelProblem() == null && query.model() == null;
    return same || none
        ? null
        : ApiError.invalid("invalid_model", "model: in the query (expected: in the body alone)");
  }

  private static ApiError noModel(Peeked peeked, List<String> offered) {
    return peeked.modelProblem() != null
        ? ApiError.invalid("invalid_model", peeked.modelProblem())
        : ApiError.invalid(
            "model_required", "model: missing (expected: one of " + ModelNames.list(offered) + ")");
  }

  private static Peeked peek(Plane plane, Inbound in, Route route, Look look, boolean kinds) {
    RequestHead head = in.head();
    return BodyPeek.at(
        in.body(),
        contentType(head, route),
        head.joined("content-encoding"),
        plane.config().clients().limits().maxBodyBytes(),
        look,
        kinds);
  }

  /// The content type by which a body is read: JSON routes take an object under any, and what
  /// clients say of one when they are told nothing makes it no form there.
  static @Nullable String contentType(RequestHead head, Route route) {
    String type = head.header("content-type");
    return route.body() == Route.Body.JSON && BodyPeek.isUrlencoded(type) ? null : type;
  }

  /// Whether a prompt's text is told by kind in the first reading: where its size is in tokens,
  /// where reading twice means decoding twice, and where it most likely fits nobody.
  private static boolean kindsAtOnce(Plane plane, Inbound in) {
    return plane.config().metric() == SizeMetric.TOKENS
        || plane.admission().learns()
        || plane.config().learning().logFile() != null
        || in.head().header("content-encoding") != null
        || in.body().readableBytes() / DENSE_BYTES_PER_TOKEN
            > plane.table().get().fleet().any().mostCapacityTokens();
  }

  /// Whether a body of this form could have named a model.
  private static boolean readable(Form form) {
    return form == Form.OBJECT || form == Form.MULTIPART;
  }

  /// Whether a body of this form, in which no model was found, has none to anybody.
  private static boolean namesNone(Form form) {
    return readable(form) || form == Form.URLENCODED || form == Form.EMPTY;
  }

  private static Question question(
      Plane plane,
      Inbound in,
      Peeked peeked,
      @Nullable String model,
      boolean renamed,
      Route route,
      boolean post) {
    RouterConfig config = plane.config();
    RequestHead head = in.head();
    long bodyBytes = in.body().readableBytes();
    long bytes = post ? peeked.bytes() : bodyBytes;
    TokenRates rates = plane.learner().rates(model);
    Extent extent = route.onePrompt() ? peeked.extent() : null;
    Prompt prompt = route.onePrompt() ? peeked.prompt() : null;
    boolean guarded = extent != null && extent.prompts() == 1 && !extent.cut();
    long output = output(peeked, rates);
    long most = extent == null ? 0 : extent.tokenIds() + rates.mostTokens(extent);
    boolean easy = !guarded || most + output <= leastCapacity(plane, model);
    if (extent != null && prompt == null && !(easy && !plane.learner().wants(model))) {
      prompt = peek(plane, in, route, route.look(), true).prompt();
    }
    long promptTokens =
        extent == null
            ? bytes / USUAL_BYTES_PER_TOKEN
            : prompt == null ? most : prompt.tokenIds() + rates.tokens(prompt);
    long size =
        switch (config.metric()) {
          case BODY -> bytes;
          case TEXT -> peeked.extent() == null ? 0 : peeked.extent().textBytes();
          case TOKENS -> promptTokens;
        };
    String session = config.sessionHeader() == null ? null : head.header(config.sessionHeader());
    long key = affinity(model, peeked, session, config.learning().affinity());
    long prefix = key;
    boolean wanted =
        plane.admission().learns()
            || config.learning().logFile() != null
            || config.learning().affinity() == Affinity.TEXT;
    if (key == 0 && guarded && wanted) {
      prefix = found(in, model, peeked);
      key = config.learning().affinity() == Affinity.TEXT ? prefix : 0;
    }
    boolean generation = post && route.repeatable(peeked.store());
    return new Question(
        model,
        renamed,
        renamed && config.names().answersByAlias() ? peeked.model() : null,
        post ? route : Route.OTHER,
        post ? route.place(head.path()) : 0,
        route.errors(),
        peeked.stream() ? route.stream() : null,
        bodyBytes,
        size,
        config.thresholdOf(model),
        guarded ? need(plane, model, promptTokens, output) : 0,
        guarded ? least(plane, in, model, extent) : 0,
        key,
        prefix,
        guarded ? promptTokens : 0,
        peeked.maxTokens(),
        textKind(prompt),
        generation,
        generation || (!post && safe(head.method())),
        prompt);
  }

  private static TextKind textKind(@Nullable Prompt p) {
    if (p == null) {
      return TextKind.PROSE;
    }
    double bytes = Math.max(1, p.bytes());
    return p.multiByte() > WIDE_SHARE * bytes
        ? TextKind.WIDE
        : p.digits() + p.marks() > CODE_SHARE * bytes ? TextKind.CODE : TextKind.PROSE;
  }

  /// Tokens that the answer may come to: as many as were asked for, else what this model's answers
  /// come to.
  private static long output(Peeked peeked, TokenRates rates) {
    return peeked.maxTokens() > 0 ? peeked.maxTokens() : rates.outputTokens();
  }

  /// What the smallest instance of a model holds.
  private static long leastCapacity(Plane plane, @Nullable String model) {
    Fleet fleet = plane.table().get().fleet();
    Candidates candidates = model == null ? fleet.any() : fleet.forModel(model);
    return candidates == null ? 0 : candidates.leastCapacityTokens();
  }

  /// Tokens of prompt and answer. A limit of the answer is an upper bound, which clients set high:
  /// it counts as far as the largest instance could hold it, so that it leads to a larger instance
  /// while there is one, and makes no difference where there is none.
  private static long need(Plane plane, @Nullable String model, long prompt, long output) {
    Fleet fleet = plane.table().get().fleet();
    var candidates = model == null ? fleet.any() : fleet.forModel(model);
    long need = prompt + output;
    long largest = 0;
    if (candidates != null) {
      for (Instance i : candidates.in(Pool.ANY)) {
        if (i.fits(need)) {
          return need;
        }
        largest = Math.max(largest, i.capacityTokens());
      }
    }
    return largest == 0 ? need : Math.max(prompt, Math.min(need, largest));
  }

  /// The fewest tokens that the text alone can come to. Where nobody could hold it, it is looked at
  /// again: white space, marks and repeated characters count nothing.
  private static long least(Plane plane, Inbound in, @Nullable String model, @Nullable Extent e) {
    if (e == null) {
      return 0;
    }
    long all = e.tokenIds() + e.textBytes() / MOST_BYTES_PER_TOKEN;
    Fleet fleet = plane.table().get().fleet();
    Candidates candidates = model == null ? fleet.any() : fleet.forModel(model);
    if (candidates == null || all <= candidates.mostCapacityTokens() || e.textBytes() == 0) {
      return all;
    }
    long light =
        BodyPeek.lightBytes(
            in.body(),
            in.head().joined("content-encoding"),
            plane.config().clients().limits().maxBodyBytes());
    return e.tokenIds() + Math.max(0, e.textBytes() - light) / MOST_BYTES_PER_TOKEN;
  }

  private static long affinity(
      @Nullable String model, Peeked peeked, @Nullable String session, Affinity by) {
    String of = model == null ? "default" : model;
    String key = peeked.promptCacheKey();
    if (key != null && !key.isEmpty()) {
      return Policies.affinity(of + ":prompt_cache:" + key);
    }
    if (session != null && !session.isEmpty()) {
      return Policies.affinity(of + ":session:" + session);
    }
    return by == Affinity.KEY ? 0 : caller(of, peeked);
  }

  private static long caller(String model, Peeked peeked) {
    String caller = peeked.caller();
    return caller == null ? 0 : Policies.affinity(model + ":caller:" + caller);
  }

  /// What requests of one conversation share without saying so: their caller, else the first words
  /// of the user; 0 for nothing.
  private static long found(Inbound in, @Nullable String model, Peeked peeked) {
    String of = model == null ? "default" : model;
    long caller = caller(of, peeked);
    boolean plain = in.head().header("content-encoding") == null;
    return caller != 0 || !plain ? caller : FirstWords.key(of, in.body());
  }

  private static boolean safe(String method) {
    return method.equals("GET") || method.equals("HEAD") || method.equals("OPTIONS");
  }

  /// What is wrong with the body of a known route, or null. A body that breaks after its model is
  /// the instance's to judge, unless the key opens some models alone: the instance may read on
  /// (Python's `json` takes NaN) and find another.
  private static @Nullable ApiError wrong(Peeked p, Route route, boolean bound) {
    if (p.modelProblem() != null) {
      return ApiError.invalid("invalid_model", p.modelProblem());
    }
    String problem = String.valueOf(p.problem());
    boolean json = route.body() == Route.Body.JSON;
    return switch (p.form()) {
      case EMPTY ->
          json
              ? ApiError.invalid("invalid_json", "the body is empty (expected: a JSON object)")
              : null;
      case OTHER, MULTIPART, URLENCODED ->
          json
              ? ApiError.invalid("invalid_json", "the body is no JSON object (expected: {...})")
              : null;
      case BROKEN ->
          p.model() == null || bound
              ? ApiError.invalid("invalid_json", "the body is no JSON object: " + problem)
              : null;
      case BAD_CODING ->
          p.model() == null || bound ? ApiError.invalid("invalid_content_encoding", problem) : null;
      case UNKNOWN_CODING -> ApiError.refusal(415, problem);
      case TOO_LARGE -> ApiError.refusal(413, problem);
      case OBJECT -> null;
    };
  }
}
