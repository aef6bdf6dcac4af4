package org.infinilm.svc.engine;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Log probabilities in OpenAI's two shapes. A token that is only a part of a character is written
/// as `bytes:\xe2\x82`. Immutable.
///
/// @param chat the chat's shape, otherwise the completion's
record LogprobsJson(boolean chat, TokenTable table) {
  Map<String, @Nullable Object> of(List<TokenLogprob> tokens) {
    return chat ? chat(tokens) : completion(tokens);
  }

  private Map<String, @Nullable Object> chat(List<TokenLogprob> tokens) {
    List<Map<String, Object>> content = new ArrayList<>(tokens.size());
    for (TokenLogprob t : tokens) {
      Map<String, Object> entry = entry(t.token(), t.logprob());
      entry.put("top_logprobs", t.top().stream().map(a -> entry(a.token(), a.logprob())).toList());
      content.add(entry);
    }
    Map<String, @Nullable Object> out = new HashMap<>();
    out.put("content", content);
    out.put("refusal", null);
    return out;
  }

  private Map<String, Object> entry(int token, double logprob) {
    Map<String, Object> entry = new HashMap<>();
    byte[] piece = table.piece(token);
    List<Integer> bytes = new ArrayList<>(piece.length);
    for (byte b : piece) {
      bytes.add(Byte.toUnsignedInt(b));
    }
    entry.put("token", text(piece));
    entry.put("logprob", logprob);
    entry.put("bytes", bytes);
    return entry;
  }

  private Map<String, @Nullable Object> completion(List<TokenLogprob> tokens) {
    List<String> texts = new ArrayList<>();
    List<Double> logprobs = new ArrayList<>();
    List<Map<String, Double>> tops = new ArrayList<>();
    List<Integer> offsets = new ArrayList<>();
    for (TokenLogprob t : tokens) {
      texts.add(text(table.piece(t.token())));
      logprobs.add(t.logprob());
      offsets.add(t.offset());
      Map<String, Double> top = new HashMap<>();
      t.top().forEach(a -> top.putIfAbsent(text(table.piece(a.token())), a.logprob()));
      top.putIfAbsent(text(table.piece(t.token())), t.logprob());
      tops.add(top);
    }
    Map<String, @Nullable Object> out = new HashMap<>();
    out.put("tokens", texts);
    out.put("token_logprobs", logprobs);
    out.put("top_logprobs", tops);
    out.put("text_offset", offsets);
    return out;
  }

  private static String text(byte[] piece) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(piece)).toString();
    } catch (CharacterCodingException e) {
      StringBuilder out = new StringBuilder("bytes:");
      for (byte b : piece) {
        out.append("\\x%02x".formatted(Byte.toUnsignedInt(b)));
      }
      return out.toString();
    }
  }
}
