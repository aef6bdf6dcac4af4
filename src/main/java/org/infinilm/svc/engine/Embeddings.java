package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonGenerator;
import io.netty.buffer.ByteBufUtil;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.engine.EngineMetrics.Outcome;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.jspecify.annotations.Nullable;

/// `POST /v1/embeddings`: from a body to its answer. Thread-safe.
final class Embeddings {
  private static final int MOST_BODY_BYTES = 8 << 20;
  private static final int PIECE_BYTES = 64 << 10;

  /// Of an input, beside its tokens and its vector.
  private static final int INPUT_BYTES = 64;

  private final String model;
  private final Reading reading;
  private final RequestRoom room;
  private final EngineMetrics metrics;

  /// @param model the name that it serves under
  Embeddings(String model, Reading reading, RequestRoom room, EngineMetrics metrics) {
    this.model = model;
    this.reading = reading;
    this.room = room;
    this.metrics = metrics;
  }

  /// @param base64 as [EmbeddingAsk#base64]
  private record Prepared(boolean base64, List<int[]> inputs) {}

  /// Every way out counts exactly one outcome and gives back what is held.
  Response answer(Loaded l, Request request) throws ApiError, InterruptedException {
    Embedder embedder = l.embedder();
    if (embedder == null) {
      throw new ApiError(
          501,
          "not_implemented",
          null,
          "this engine makes no embeddings (expected: --embeddings when it is started, or a server"
              + " whose model is made for them)");
    }
    try {
      return room.answer(checkedBytes(request), held -> answer(l, embedder, request, held));
    } catch (ApiError e) {
      metrics.embeddingsFinished(EngineMetrics.outcome(e));
      throw e;
    }
  }

  private Response answer(Loaded l, Embedder embedder, Request request, RequestRoom.Held held)
      throws ApiError, InterruptedException {
    Prepared p = prepared(l, embedder, request, held);
    EmbeddingJob job =
        embedder
            .submit(p.inputs())
            .orElseThrow(() ->
                new ApiError(
                    429,
                    "queue_full",
                    null,
                    "too many requests for embeddings wait, or vectors for clients that do not"
                        + " read them"));
    request.gone().onGone(job::cancel);
    boolean sends = false;
    try {
      EmbeddingJob.End end = job.await();
      switch (end) {
        case DONE -> metrics.embeddingsFinished(Outcome.OK);
        case CANCELLED -> throw new ApiError(499, "client_gone", null, "the client has gone");
        case FAILED ->
            throw new ApiError(
                500, "embedding_failed", null, "the engine cannot make these embeddings");
        case STOPPED -> throw new ApiError(503, "engine_stopped", null, "the engine has stopped");
      }
      request.gone().onGone(() -> embedder.release(job));
      sends = true;
    } finally {
      if (!sends) {
        job.cancel();
        embedder.release(job);
      }
    }
    return Response.stream(
        200,
        Headers.of("content-type", "application/json"),
        sink -> {
          try {
            send(p.base64(), job, sink);
          } finally {
            embedder.release(job);
          }
        });
  }

  private static int checkedBytes(Request request) throws ApiError {
    int bytes = request.body().length;
    if (bytes > MOST_BODY_BYTES) {
      throw new ApiError(
          413,
          "request_too_large",
          null,
          "a body of " + bytes + " bytes (expected: at most " + MOST_BODY_BYTES + ")");
    }
    return bytes;
  }

  private Prepared prepared(Loaded l, Embedder embedder, Request request, RequestRoom.Held held)
      throws ApiError, InterruptedException {
    byte[] body = request.body();
    return reading.read(
        body.length,
        request.gone()::isGone,
        effort -> {
          EmbeddingAsk ask = EmbeddingAsk.read(body);
          checkModel(ask.model());
          int width = embedder.width();
          Long wanted = ask.dimensions();
          if (wanted != null && wanted != width) {
            throw ApiError.value("dimensions", wanted, width + ", which is this model's own");
          }
          if ((long) ask.inputs().size() * width > Embedder.MOST_VALUES) {
            throw ApiError.value(
                "input",
                "a list of " + ask.inputs().size(),
                "at most "
                    + Embedder.MOST_VALUES / width
                    + " with vectors of "
                    + width
                    + " values");
          }
          List<int[]> inputs = tokens(l, embedder.mostTokens(), ask.inputs(), effort);
          long bytes = 0;
          for (int[] tokens : inputs) {
            bytes += INPUT_BYTES + (long) Integer.BYTES * tokens.length;
          }
          held.more(bytes);
          return new Prepared(ask.base64(), inputs);
        });
  }

  private void checkModel(@Nullable String asked) throws ApiError {
    if (asked != null && !asked.equals(model)) {
      throw EngineRoutes.unknownModel(asked, model);
    }
  }

  /// The inputs as tokens, in order.
  ///
  /// @param most tokens that each may have
  static List<int[]> tokens(Loaded l, int most, List<EmbeddingAsk.Input> inputs, Effort effort)
      throws ApiError {
    List<int[]> out = new ArrayList<>(inputs.size());
    long all = 0;
    for (EmbeddingAsk.Input input : inputs) {
      String at = inputs.size() == 1 ? "input" : "input[" + out.size() + "]";
      int[] tokens =
          switch (input) {
            case EmbeddingAsk.Input.Tokens(var ids) -> l.table().checked(at, ids);
            case EmbeddingAsk.Input.Text(var text) -> tokens(l, most, at, text, effort);
          };
      if (tokens.length > most) {
        throw EmbeddingAsk.tooLong(at, "" + tokens.length, most);
      }
      if (tokens.length == 0) {
        throw ApiError.value(at, "no tokens", "at least one");
      }
      all += tokens.length;
      if (all > Embedder.MOST_REQUEST_TOKENS) {
        throw ApiError.value(
            "input",
            "more than " + Embedder.MOST_REQUEST_TOKENS + " tokens up to " + at,
            "at most as many in one request");
      }
      out.add(tokens);
      effort.pause();
    }
    return out;
  }

  private static int[] tokens(Loaded l, int most, String at, String text, Effort effort)
      throws ApiError {
    long fewest = l.table().fewestTokens(ByteBufUtil.utf8Bytes(text));
    if (fewest > most) {
      throw EmbeddingAsk.tooLong(at, "at least " + fewest, most);
    }
    return l.tokenizer()
        .tokens(
            List.of(new PromptText.Part(text, true)),
            true,
            effort,
            sure -> {
              if (sure > most) {
                throw EmbeddingAsk.tooLong(at, "at least " + sure, most);
              }
            });
  }

  /// The answer in pieces: the numbers of many vectors are larger than the vectors.
  private void send(boolean base64, EmbeddingJob job, Response.BodySink sink)
      throws IOException, InterruptedException {
    ByteArrayOutputStream piece = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.generator(piece)) {
      json.writeStartObject();
      json.writeArrayFieldStart("data");
      for (int i = 0; i < job.count(); i++) {
        json.writeStartObject();
        vector(json, job.vectors()[i], base64);
        json.writeNumberField("index", i);
        json.writeStringField("object", "embedding");
        json.writeEndObject();
        json.flush();
        if (piece.size() >= PIECE_BYTES) {
          sink.write(piece.toByteArray());
          piece.reset();
        }
      }
      json.writeEndArray();
      json.writeStringField("model", model);
      json.writeStringField("object", "list");
      json.writeObjectFieldStart("usage");
      json.writeNumberField("prompt_tokens", job.tokens());
      json.writeNumberField("total_tokens", job.tokens());
      json.writeEndObject();
      json.writeEndObject();
    }
    sink.write(piece.toByteArray());
  }

  private static void vector(JsonGenerator json, float[] values, boolean base64)
      throws IOException {
    if (base64) {
      ByteBuffer bytes =
          ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(values);
      json.writeBinaryField("embedding", bytes.array());
      return;
    }
    json.writeArrayFieldStart("embedding");
    for (float v : values) {
      json.writeNumber(v);
    }
    json.writeEndArray();
  }
}
