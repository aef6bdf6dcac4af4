package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

/// Whatever a client sends is read or refused with 400; nothing else is ever thrown.
class AskReaderFuzz {
  private static final int ROUNDS = 20_000;

  private final AskReader reader = new AskReader(new AskReader.Defaults(1.0, 0.8, 1), () -> 1L);

  @FunctionalInterface
  private interface Reading {
    Object of(byte[] body) throws ApiError;
  }

  private static boolean isError(ApiError e) throws JsonProcessingException {
    return Bodies.isError(Json.tree(Json.bytes(e.body())));
  }

  private int refused(byte[] body) throws JsonProcessingException {
    int refused = 0;
    for (Reading r :
        new Reading[] {reader::chat, reader::completion, reader::tokenize, reader::detokenize}) {
      try {
        assertThat(r.of(body)).isNotNull();
      } catch (ApiError e) {
        assertThat(e.status()).isEqualTo(400);
        assertThat(e.getMessage()).hasSizeLessThan(600);
        assertThat(isError(e)).isTrue();
        refused++;
      } catch (RuntimeException | StackOverflowError e) {
        throw new AssertionError(new String(body, StandardCharsets.ISO_8859_1), e);
      }
    }
    return refused;
  }

  @Test
  void oddValuesAreReadOrRefused() throws Exception {
    int refused = 0;
    for (byte[] body : Bodies.oddValues()) {
      refused += refused(body);
    }
    assertThat(refused).isGreaterThan(1000);
  }

  @Test
  void brokenBodiesAreReadOrRefused() throws Exception {
    Random random = new Random(20261122);
    int refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
      refused += refused(Bodies.broken(random));
    }
    assertThat(refused).isBetween(ROUNDS / 2, 4 * ROUNDS);
  }
}
