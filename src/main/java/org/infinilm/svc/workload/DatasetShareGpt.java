package org.infinilm.svc.workload;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;

/// The ShareGPT file: a JSON list of conversations, `conversations` a list of `value`s. The first
/// message is the prompt, the second says how long the answer was.
///
/// Like vLLM's bench it leaves out what is shorter than 4 tokens, prompts over 1024 and both
/// together over 2048; tokens are estimated by `--bytes-per-token`.
final class DatasetShareGpt {
  private static final int LEAST = 4;
  private static final int MOST_PROMPT = 1024;
  private static final int MOST_TOGETHER = 2048;

  private DatasetShareGpt() {}

  static Workload of(Config c) throws ConfigException {
    Path file = DatasetFile.path(c);
    double bytesPerToken = c.get(WorkloadKeys.BYTES_PER_TOKEN);
    int fixed = c.find(WorkloadKeys.SHAREGPT_OUTPUT_LEN).orElse(0L).intValue();
    List<LoadItem> items = new ArrayList<>();
    int index = 0;
    try (InputStream in = Files.newInputStream(file);
        JsonParser p = Json.tokens(in)) {
      if (p.nextToken() != JsonToken.START_ARRAY) {
        throw new ConfigException("--dataset-path: " + file + " (expected: a JSON list)");
      }
      while (p.nextToken() == JsonToken.START_OBJECT) {
        JsonNode entry = p.readValueAsTree();
        JsonNode said = entry.path("conversations");
        if (!said.isArray()) {
          throw new ConfigException(
              file + ": entry " + index + ": no \"conversations\" (expected: a list of messages)");
        }
        add(items, said, bytesPerToken, fixed);
        index++;
      }
    } catch (JsonProcessingException e) {
      throw new ConfigException(
          file
              + ":"
              + e.getLocation().getLineNr()
              + ": not JSON after entry "
              + index
              + " (expected: a list of conversations)");
    } catch (IOException e) {
      throw new ConfigException(
          "--dataset-path: " + file + " cannot be read: " + ConfigException.reason(e));
    }
    if (items.isEmpty()) {
      throw new ConfigException(
          file
              + ": none of "
              + index
              + " entries has a prompt and an answer of usable length (expected: at least one)");
    }
    return new Workload("sharegpt", file.toString(), hash(file), null, Workload.sized(c, items));
  }

  private static void add(List<LoadItem> items, JsonNode said, double bytesPerToken, int fixed) {
    String prompt = said.path(0).path("value").asText("");
    String answer = said.path(1).path("value").asText("");
    int in = (int) Math.round(prompt.length() / bytesPerToken);
    int out = fixed > 0 ? fixed : (int) Math.round(answer.length() / bytesPerToken);
    boolean usable =
        said.size() >= 2
            && in >= LEAST
            && (fixed > 0 || out >= LEAST)
            && in <= MOST_PROMPT
            && in + out <= MOST_TOGETHER;
    if (usable) {
      items.add(LoadItem.of(prompt, out));
    }
  }

  private static String hash(Path file) throws ConfigException {
    try {
      return Digest.of(file);
    } catch (IOException e) {
      throw new ConfigException(
          "--dataset-path: " + file + " cannot be read: " + ConfigException.reason(e));
    }
  }
}
