package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import io.prometheus.metrics.core.metrics.Counter;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.infinilm.svc.fleet.ModelState;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.router.Learner.Count;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has the tokens of four short texts of our own counted by the `/tokenize` of an engine, so that
/// the first long prompt of a model is estimated well before any answer has said what prompts come
/// to. Nothing that a client sent is counted. Thread-safe; nobody waits for it.
///
/// Each model is counted once, by one instance that has it in memory, and again when that instance
/// left or came back into service. One instance is asked at a time. Only engines that are known to
/// have the route are asked (vLLM, SGLang, llama.cpp, our own), by the `owned_by` of their models.
final class Calibrator {
  private static final Logger LOG = LoggerFactory.getLogger(Calibrator.class);

  private static final Set<String> ENGINES = Set.of("vllm", "sglang", "llamacpp", "infini");
  private static final Duration AGAIN = Duration.ofMinutes(5);
  private static final int MOST_AT_ONCE = 4;

  /// Largest answer that is read: some hundred tokens with all that engines say of them.
  private static final int MOST_BYTES = 1 << 20;

  /// A text that is longer in tokens than this many times its bytes was not counted.
  private static final int MOST_TOKENS_A_BYTE = 2;

  /// By kind of text: prose, Chinese, source code, numbers.
  private static final List<String> TEXTS =
      List.of(
          """
          The ferry was late again, so we waited on the pier and watched the men unload crates of \
          apples, one after the other, onto a cart that had seen better days. Somebody said the \
          storm had moved further north during the night. Nobody believed it, although the radio \
          had promised the same thing twice. A child asked whether fish notice the rain; her \
          grandfather thought about the question for a while and answered that they would have to \
          look up first. After an hour the engine could be heard behind the island, long before \
          anything was to be seen.
          """,
          """
          清晨的市场已经热闹起来，卖菜的老人把白菜和萝卜摆得整整齐齐。她说今年雨水多，山上的茶叶长得比往年慢，\
          价格也就高了一些。旁边的年轻人一边打电话一边搬箱子，忙得连早饭都没有吃。孩子们背着书包从桥上跑过，\
          笑声传得很远。到了中午，人渐渐散去，只剩下几只麻雀在地上找食，还有一位修鞋的师傅坐在树荫里看报纸。
          """,
          """
          public int nextFree(int[] slots, int from) {
              for (int i = from; i < slots.length; i++) {
                  if (slots[i] == 0 && !isLocked(i)) { return i; }
              }
              throw new IllegalStateException("no slot left: " + slots.length);
          }

          def read_rows(path, sep=","):
              with open(path) as f:
                  return [line.rstrip("\\n").split(sep) for line in f if line[0] != "#"]

          {"id": "a-17", "tags": ["x", "y"], "size": {"w": 640, "h": 480}, "ok": true}
          """,
          """
          2.7182818 1.6180339 299792458 6.674e-11 8.314 96485 1013.25 273.15 0.0820574 12.011
          2024-03-17 08:45:12 192.0.2.41 443 17 5512 0.031 88.2 1200 7430 3.5 0.0007 41 902 65 1
          40075 6371 384400 149597870 11 23 58 132 7 19 30 46 81 99 1440 86400 525600 31536000
          """);

  private static final List<Prompt> KINDS = TEXTS.stream().map(Calibrator::kinds).toList();

  private final Client http;
  private final Duration timeout;
  private final Learner learner;
  private final Counter results;
  private final Ticker ticker;

  /// One at a time.
  private final Semaphore turn = new Semaphore(1);

  private final Map<String, Done> done = new ConcurrentHashMap<>();
  private final Map<String, Long> notBeforeNanos = new ConcurrentHashMap<>();
  private final Set<String> withoutRoute = ConcurrentHashMap.newKeySet();

  private record Done(String instance, long atNanos) {}

  /// @param timeout of each call
  /// @param results of each model: `counted`, `failed`, `no_route`
  Calibrator(Client http, Duration timeout, Learner learner, Counter results, Ticker ticker) {
    this.http = http;
    this.timeout = timeout;
    this.learner = learner;
    this.results = results;
    this.ticker = ticker;
  }

  /// Looks whether something is to be counted by an instance whose probe has just succeeded, and
  /// begins with it.
  ///
  /// @param list its models as it lists them, or null when it does not
  /// @param cameBack whether it was out of service: it may have another tokenizer now
  void visit(Known k, @Nullable List<Map<String, Object>> list, boolean cameBack) {
    if (cameBack) {
      forget(k.name());
    }
    List<Map<String, Object>> open = list == null ? List.of() : open(k.name(), list);
    if (!open.isEmpty() && turn.tryAcquire()) {
      Thread.ofVirtual().name("calibrates ", 0).start(() -> calibrate(k, open));
    }
  }

  void keepOnly(Set<String> instances) {
    notBeforeNanos.keySet().retainAll(instances);
    withoutRoute.retainAll(instances);
    done.values().removeIf(d -> !instances.contains(d.instance()));
  }

  /// An instance that comes and goes is not asked each time.
  private void forget(String instance) {
    long now = ticker.nanos();
    withoutRoute.remove(instance);
    done.values()
        .removeIf(d -> d.instance().equals(instance) && now - d.atNanos() >= AGAIN.toNanos());
  }

  private List<Map<String, Object>> open(String instance, List<Map<String, Object>> list) {
    Long notBefore = notBeforeNanos.get(instance);
    if (withoutRoute.contains(instance) || (notBefore != null && ticker.nanos() - notBefore < 0)) {
      return List.of();
    }
    List<Map<String, Object>> out = new ArrayList<>();
    for (Map<String, Object> e : list) {
      if (out.size() < MOST_AT_ONCE
          && done.size() + out.size() < Learner.MOST_MODELS
          && e.get("owned_by") instanceof String owner
          && ENGINES.contains(owner)
          && Metadata.modelState(e) == ModelState.LOADED
          && !done.containsKey(String.valueOf(e.get("id")))) {
        out.add(e);
      }
    }
    return out;
  }

  private void calibrate(Known k, List<Map<String, Object>> models) {
    try {
      for (Map<String, Object> e : models) {
        String model = String.valueOf(e.get("id"));
        if (done.containsKey(model)) {
          continue;
        }
        List<Count> counts = counts(k, model);
        if (counts.isEmpty()) {
          withoutRoute.add(k.name());
          results.labelValues("no_route").inc();
          return;
        }
        Set<String> names = new LinkedHashSet<>(Metadata.aliases(e));
        names.add(model);
        names.forEach(name -> learner.counted(name, counts));
        done.put(model, new Done(k.name(), ticker.nanos()));
        results.labelValues("counted").inc();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException e) {
      LOG.debug("instance {} counted nothing: {}", k.name(), e.getMessage());
      notBeforeNanos.put(k.name(), ticker.nanos() + AGAIN.toNanos());
      results.labelValues("failed").inc();
    } finally {
      turn.release();
    }
  }

  /// What the texts come to; empty when there is no such route.
  ///
  /// @throws IOException when it does not answer, or not with a count
  private List<Count> counts(Known k, String model) throws IOException, InterruptedException {
    String url = k.at("/tokenize");
    List<Count> out = new ArrayList<>();
    for (int n = 0; n < TEXTS.size(); n++) {
      Client.Reply r =
          Prober.client(http, k)
              .send(
                  "POST",
                  URI.create(url),
                  Prober.headers(k, url).with("content-type", "application/json"),
                  body(model, TEXTS.get(n)),
                  timeout,
                  MOST_BYTES);
      if (r.status() == 404 || r.status() == 405 || r.status() == 501) {
        return List.of();
      }
      if (!r.ok()) {
        throw new IOException(url + " answers " + r.status() + " (expected: 200)");
      }
      out.add(new Count(KINDS.get(n), tokens(Json.tree(r.body()), KINDS.get(n))));
    }
    return out;
  }

  /// In the words of vLLM and SGLang (`prompt`) and of llama.cpp (`content`) at once: each passes
  /// over the other's.
  private static byte[] body(String model, String text) {
    return Json.bytes(
        Map.of(
            "model",
            model,
            "prompt",
            text,
            "content",
            text,
            "add_special_tokens",
            false,
            "add_special",
            false));
  }

  private static long tokens(JsonNode said, Prompt text) throws IOException {
    long tokens =
        said.path("count").canConvertToLong()
            ? said.path("count").asLong()
            : said.path("tokens").size();
    if (tokens < 1 || tokens > MOST_TOKENS_A_BYTE * text.bytes()) {
      throw new IOException(
          "a count of " + tokens + " for " + text.bytes() + " bytes (expected: 1 to twice that)");
    }
    return tokens;
  }

  private static Prompt kinds(String text) {
    long letters = 0;
    long digits = 0;
    long marks = 0;
    long multiByte = 0;
    byte[] utf8 = text.getBytes(UTF_8);
    for (byte b : utf8) {
      if (b < 0) {
        multiByte++;
      } else if (b >= '0' && b <= '9') {
        digits++;
      } else if (b <= ' ' || Character.isLetter(b)) {
        letters++;
      } else {
        marks++;
      }
    }
    return new Prompt(1, utf8.length, 0, 0, letters, digits, marks, multiByte, true, false);
  }
}
