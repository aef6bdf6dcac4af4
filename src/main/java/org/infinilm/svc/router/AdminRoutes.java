package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What is done over HTTP, `/admin/...`: instances come, go, are drained and weighed; thresholds
/// are set. All of it is this router's, over what its files say, until it is taken back.
/*
 * Draining is for whoever may see the page's data, as before. All else changes where clients' requests and
 * credentials go, so that it wants the admin token, also from this machine: a router without one refuses it.
 * Bodies are JSON and say so, which a page of another origin cannot send without being allowed to first.
 */
final class AdminRoutes {
  static final String ROOT = "/admin/";
  private static final Logger LOG = LoggerFactory.getLogger(AdminRoutes.class);
  private static final String INSTANCES = "/admin/instances";
  private static final String THRESHOLD = "/admin/threshold";
  private static final Pattern INSTANCE = Pattern.compile("/admin/instances/([^/]+)");
  private static final Pattern ACTION =
      Pattern.compile("/admin/instances/([^/]+)/(drain|undrain|weight)");
  private static final int MOST_WEIGHT = 9999;

  private final Settings settings;
  private final Supplier<Access> access;
  private final FleetKeeper keeper;
  private final Added added;

  AdminRoutes(Settings settings, Supplier<Access> access, FleetKeeper keeper, Added added) {
    this.settings = settings;
    this.access = access;
    this.keeper = keeper;
    this.added = added;
  }

  /// The method that a path takes.
  static String method(String path) {
    return INSTANCE.matcher(path).matches() ? "DELETE" : "POST";
  }

  Response handle(Request r) {
    Response no = access.get().actionRefusal(r.path(), Access.Asker.of(r));
    if (no != null) {
      return no;
    }
    Matcher action = ACTION.matcher(r.path());
    Matcher one = INSTANCE.matcher(r.path());
    boolean acts = action.matches();
    boolean known =
        acts || one.matches() || r.path().equals(INSTANCES) || r.path().equals(THRESHOLD);
    if (!known) {
      return OwnRoutes.error(
          404,
          "not_found",
          r.path()
              + " (expected: /admin/instances, /admin/instances/NAME, .../drain, .../undrain, .../weight or /admin/threshold)");
    }
    if (!r.method().equals(method(r.path()))) {
      return OwnRoutes.notAllowed(r.method(), r.path());
    }
    boolean drains = acts && !action.group(2).equals("weight");
    if (!drains && !access.get().wantsToken()) {
      return OwnRoutes.error(
          403, "forbidden", r.path() + " (expected: a router with an admin_token, and that token)");
    }
    if (r.rawQuery() != null && !r.rawQuery().isEmpty()) {
      return OwnRoutes.error(
          400,
          "invalid_value",
          "?" + ModelNames.shown(r.rawQuery()) + " (expected: no query; fields stand in the body)");
    }
    String type = r.headers().get("content-type");
    if (!r.method().equals("DELETE") && !Headers.mediaType(type).equals("application/json")) {
      return OwnRoutes.error(
          415,
          "unsupported_media_type",
          "content-type: " + (type == null ? "missing" : type) + " (expected: application/json)");
    }
    try {
      if (r.path().equals(THRESHOLD)) {
        return threshold(r);
      }
      Response done =
          r.path().equals(INSTANCES)
              ? add(r)
              : acts
                  ? act(Spelling.unescaped(action.group(1)), action.group(2), r)
                  : remove(Spelling.unescaped(one.group(1)));
      keeper.settle();
      return done;
    } catch (JsonProcessingException e) {
      return OwnRoutes.error(400, "invalid_json", "the body is no JSON: " + Json.wrong(e));
    } catch (ConfigException e) {
      return OwnRoutes.error(400, "invalid_value", String.valueOf(e.getMessage()));
    } catch (IllegalStateException e) {
      return OwnRoutes.error(409, "conflict", String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return OwnRoutes.error(503, "unavailable", "the router ends");
    } catch (IOException e) {
      LOG.error("added_instances: {}", e.getMessage());
      return OwnRoutes.error(500, "not_kept", "the router could not keep it: " + e.getMessage());
    }
  }

  private Set<String> names() {
    Set<String> out = new HashSet<>();
    keeper.views().forEach(v -> out.add(v.instance().name()));
    return out;
  }

  private Response add(Request r) throws ConfigException, IOException {
    JsonNode body = Json.tree(r.body());
    String name = added.add(body, names());
    LOG.info("instance {} was added over HTTP", name);
    return Response.json(201, Map.of("instance", name, "kept", body.path("keep").asBoolean(false)));
  }

  /// Says what goes on where a file or the registry has one of that name too.
  private Response remove(String name) throws IOException {
    String shown = ModelNames.shown(name);
    String by = keeper.listedBy(name);
    return switch (added.remove(name)) {
      case NONE ->
          names().contains(name)
              ? OwnRoutes.error(
                  409,
                  "conflict",
                  "instance "
                      + shown
                      + " was not added over HTTP (expected: one that was; draining takes others out)")
              : notKnown(name);
      case TOLD_STAYS -> {
        LOG.info("instance {} is forgotten over HTTP; that of a file or flag stays", name);
        yield removal(
            name,
            false,
            "instance "
                + shown
                + " of a file or flag goes on serving; what was added over HTTP under its name is forgotten (draining takes it out)");
      }
      case REMOVED -> {
        LOG.info("instance {} was removed over HTTP", name);
        yield removal(
            name,
            true,
            by == null
                ? null
                : (by.equals(Known.REGISTRY) ? "the registry" : by)
                    + " lists an instance "
                    + shown
                    + ", which takes its place");
      }
    };
  }

  private static Response removal(String name, boolean removed, @Nullable String message) {
    Map<String, Object> m = new HashMap<>(Map.of("instance", name, "removed", removed));
    if (message != null) {
      m.put("message", message);
    }
    return Response.json(200, m);
  }

  private static Response notKnown(String name) {
    return OwnRoutes.error(
        404, "not_found", "instance " + ModelNames.shown(name) + " is not known here");
  }

  private Response act(String name, String what, Request r) throws ConfigException, IOException {
    if (!names().contains(name)) {
      return notKnown(name);
    }
    if (what.equals("weight")) {
      JsonNode w = value(fields(r, List.of("weight")), "weight");
      if (!w.isNull()
          && (!w.isIntegralNumber()
              || !w.canConvertToInt()
              || w.asInt() < 0
              || w.asInt() > MOST_WEIGHT)) {
        throw new ConfigException(
            "weight: "
                + w
                + " (expected: a whole number 0.."
                + MOST_WEIGHT
                + ", or null for its own)");
      }
      Integer weight = w.isNull() ? null : (Integer) w.asInt();
      LOG.info("instance {} has the weight {} over HTTP", name, w);
      keeper.tell(new FleetKeeper.Report.Weight(name, weight));
      return answer("instance", name, "weight", weight);
    }
    if (r.body().length > 0) {
      fields(r, List.of());
    }
    boolean on = what.equals("drain");
    LOG.info("instance {} is {} over HTTP", name, on ? "drained" : "no longer drained");
    keeper.tell(new FleetKeeper.Report.Drain(name, on));
    return answer("instance", name, "drained", on);
  }

  private Response threshold(Request r) throws ConfigException, IOException {
    JsonNode body = fields(r, List.of("threshold", "model"));
    JsonNode t = value(body, "threshold");
    JsonNode m = body.path("model");
    if (!m.isMissingNode() && (!m.isTextual() || m.asText().isEmpty())) {
      throw new ConfigException("model: " + m + " (expected: a name, or none for all)");
    }
    if (!t.isNull() && (!t.isIntegralNumber() || !t.canConvertToLong() || t.asLong() < 0)) {
      throw new ConfigException(
          "threshold: "
              + t
              + " (expected: a whole number 0.."
              + Long.MAX_VALUE
              + ", or null for the file's)");
    }
    String model = m.asText();
    if (!model.isEmpty() && keeper.table().fleet().forModel(model) == null) {
      return OwnRoutes.error(
          404,
          "model_not_found",
          "model '"
              + ModelNames.shown(model)
              + "' (expected: one of "
              + ModelNames.list(keeper.table().fleet().models())
              + ")");
    }
    Long threshold = t.isNull() ? null : (Long) t.asLong();
    LOG.info("threshold{} is {} over HTTP", model.isEmpty() ? "" : " of " + model, t);
    settings.threshold(model, threshold);
    return answer("model", model.isEmpty() ? null : model, "threshold", threshold);
  }

  /// The body, an object of these fields; a field that would be ignored is named.
  private static JsonNode fields(Request r, List<String> expected)
      throws ConfigException, JsonProcessingException {
    JsonNode body = Json.tree(r.body());
    if (!body.isObject()) {
      throw new ConfigException("the body is no JSON object (expected: " + list(expected) + ")");
    }
    Wrongs wrong = new Wrongs();
    for (Map.Entry<String, JsonNode> e : body.properties()) {
      String field = e.getKey();
      if (!expected.contains(field)) {
        wrong.add(
            ModelNames.shown(field)
                + Words.hint(field, expected)
                + " (expected: "
                + list(expected)
                + ")");
      }
    }
    wrong.end();
    return body;
  }

  private static String list(List<String> fields) {
    return fields.isEmpty() ? "{}" : String.join(", ", fields);
  }

  private static JsonNode value(JsonNode body, String field) throws ConfigException {
    JsonNode v = body.path(field);
    if (v.isMissingNode()) {
      throw new ConfigException("the body has no " + field + " (expected: {\"" + field + "\": N})");
    }
    return v;
  }

  private static Response answer(String a, @Nullable Object x, String b, @Nullable Object y) {
    Map<String, Object> m = new HashMap<>();
    m.put(a, x);
    m.put(b, y);
    return Response.json(202, m);
  }
}
