package org.infinilm.svc.router;

import com.fasterxml.jackson.databind.JsonNode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;

/// An answer that may be an engine's refusal of a prompt that is too long for it, or of a model or
/// a route that it has not: its body is gathered, in however many pieces it comes, until that can
/// be told by the words that engines use. Event-loop confined; whoever made it releases it or takes
/// its body.
final class Refusal {
  private static final int MOST_BYTES = 2048;
  private static final int MOST_DECODED_BYTES = 16 << 10;
  private static final String[] LENGTH = {
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context size",
    "must have less than",
    "max_input_tokens"
  };
  private static final String[] MODEL = {"not exist", "not found", "not_found", "unknown model"};

  /// What frameworks say, and nothing else, where no route leads: FastAPI, aiohttp, llama.cpp, Go,
  /// our own engine.
  private static final Set<String> NO_ROUTE =
      Set.of(
          "",
          "not found",
          "404 not found",
          "404: not found",
          "404 page not found",
          "file not found",
          "no such route",
          "route not found",
          "method not allowed",
          "405 method not allowed",
          "405: method not allowed",
          "not implemented");

  /// What they say before the route: Express, LM Studio, OpenAI; the pages of nginx and others; and
  /// what llama.cpp and our own engine say of a route that the model is not made for.
  private static final List<String> NO_ROUTE_AT =
      List.of(
          "cannot post /",
          "cannot get /",
          "unexpected endpoint",
          "invalid url (",
          "unrecognized request url",
          "unknown endpoint",
          "<html",
          "<!doctype",
          "this server does not support embeddings",
          "this server does not support reranking",
          "this server does not support completions",
          "this engine makes no embeddings");

  private final int status;
  private final @Nullable String model;
  private final boolean known;
  private final @Nullable String coding;
  private final CompositeByteBuf body = Unpooled.compositeBuffer(Integer.MAX_VALUE);

  private Refusal(int status, @Nullable String model, boolean known, @Nullable String coding) {
    this.status = status;
    this.model = model;
    this.known = known;
    this.coding = coding;
  }

  /// What gathers this answer's body, or null when its status says that it is something else.
  ///
  /// @param model that was asked for, or null
  /// @param route of the request
  static @Nullable Refusal of(ResponseHead head, @Nullable String model, Route route) {
    int status = head.status();
    boolean known = route != Route.OTHER;
    return isForLength(status)
            || (status == 404 && (model != null || known))
            || (known && (status == 405 || status == 501))
        ? new Refusal(status, model, known, head.header("content-encoding"))
        : null;
  }

  private static boolean isForLength(int status) {
    return status == 400 || status == 413 || status == 422;
  }

  /// Takes a piece over; true when enough has come.
  boolean add(ByteBuf slice) {
    body.addComponent(true, slice);
    return body.readableBytes() >= MOST_BYTES;
  }

  /// Whether what has come says that the prompt does not fit.
  boolean isForLength() {
    return isForLength(status) && containsOne(said(), LENGTH);
  }

  /// Whether what has come says that there is no such model; both are named.
  boolean isForModel() {
    if (model == null || status != 404) {
      return false;
    }
    String said = said();
    return said.contains("model")
        && containsOne(said, MODEL)
        && containsWord(said, lower(model.getBytes(StandardCharsets.UTF_8)));
  }

  /// Whether it says that there is something else not: a route, or a thing that the request names,
  /// as another answer of the instance, or an option.
  boolean isForOther() {
    return known && !isForLength(status) && !isForModel();
  }

  /// Whether that is the route as such, and nothing that the client named: all that is said are the
  /// words for it. An option may be answered 501 as well, in other words.
  boolean isForRoute() {
    if (!isForOther()) {
      return false;
    }
    String words = message();
    return NO_ROUTE.contains(words) || NO_ROUTE_AT.stream().anyMatch(words::startsWith);
  }

  /// What is said to people: of the JSON forms that engines have, else all of it.
  private String message() {
    String said = said().strip();
    if (said.startsWith("{")) {
      try {
        JsonNode root = Json.tree(said.getBytes(StandardCharsets.UTF_8));
        JsonNode error = root.path("error");
        for (JsonNode n :
            List.of(root.path("detail"), error.path("message"), error, root.path("message"))) {
          if (n.isTextual()) {
            said = n.asText();
            break;
          }
        }
      } catch (IOException cutOrOther) {
        return said;
      }
    }
    String words = said.strip();
    return words.endsWith(".") ? words.substring(0, words.length() - 1) : words;
  }

  int status() {
    return status;
  }

  private String said() {
    byte[] start = new byte[Math.min(body.readableBytes(), MOST_BYTES)];
    body.getBytes(body.readerIndex(), start);
    byte[] plain = BodyPeek.plain(start, coding, MOST_DECODED_BYTES);
    return lower(plain);
  }

  private static String lower(byte[] text) {
    return new String(text, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
  }

  /// Whether `word` is there and is no part of a longer one.
  private static boolean containsWord(String said, String word) {
    for (int at = said.indexOf(word); at >= 0; at = said.indexOf(word, at + 1)) {
      if (isEdge(said, at - 1) && isEdge(said, at + word.length())) {
        return true;
      }
    }
    return false;
  }

  private static boolean isEdge(String said, int at) {
    return at < 0
        || at >= said.length()
        || !(Character.isLetterOrDigit(said.charAt(at)) || "_-".indexOf(said.charAt(at)) >= 0);
  }

  private static boolean containsOne(String said, String[] words) {
    for (String w : words) {
      if (said.contains(w)) {
        return true;
      }
    }
    return false;
  }

  /// What has come; the caller owns it.
  ByteBuf body() {
    return body;
  }

  void release() {
    body.release();
  }
}
