import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiModelCatalog;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/// LangChain4j against an address; prints what it saw as one JSON object.
///
/// Usage: `Chats BASE_URL MODEL runs` or `Chats BASE_URL MODEL broken FAULT...`
public final class Chats {
  private static final int RUNS = 8;
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private final String base;
  private final String model;

  private Chats(String address, String model) {
    this.base = address + "/v1";
    this.model = model;
  }

  public static void main(String[] args) throws Exception {
    Chats chats = new Chats(args[0], args[1]);
    Map<String, Object> seen = new LinkedHashMap<>();
    if (args[2].equals("runs")) {
      chats.runs(seen);
    } else {
      for (String fault : List.of(args).subList(3, args.length)) {
        seen.put(fault, chats.streamed("Hello", chats.streaming(Map.of("x-simulate-fault", fault))));
      }
    }
    System.out.println(new ObjectMapper().writeValueAsString(seen));
    System.exit(0);
  }

  private void runs(Map<String, Object> seen) throws Exception {
    seen.put("models", OpenAiModelCatalog.builder().baseUrl(base).apiKey("none").build().listModels().stream().map(m -> m.name()).toList());
    OpenAiChatModel plain = plain(model);
    OpenAiStreamingChatModel streaming = streaming(Map.of());
    List<Object> answers = new ArrayList<>();
    List<Object> streams = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Map<String, Object>>> both = new ArrayList<>();
      for (int i = 0; i < RUNS; i++) {
        String text = "Tell me about number " + i + ".";
        both.add(threads.submit(() -> answered(plain.chat(new UserMessage(text)))));
        both.add(threads.submit(() -> streamed(text, streaming)));
      }
      for (int i = 0; i < both.size(); i++) {
        (i % 2 == 0 ? answers : streams).add(both.get(i).get());
      }
    }
    seen.put("plain", answers);
    seen.put("streamed", streams);
    seen.put("large", streamed("The old tram stops at the harbour. ".repeat(1700), streaming));
    try {
      plain("no-such-model").chat("Hello");
    } catch (RuntimeException e) {
      seen.put("refused", Map.of("name", e.getClass().getSimpleName(), "message", String.valueOf(e.getMessage())));
    }
  }

  private OpenAiChatModel plain(String name) {
    return OpenAiChatModel.builder().baseUrl(base).apiKey("none").modelName(name).maxTokens(16).timeout(LIMIT).maxRetries(0).build();
  }

  private OpenAiStreamingChatModel streaming(Map<String, String> headers) {
    return OpenAiStreamingChatModel.builder().baseUrl(base).apiKey("none").modelName(model).maxTokens(16).timeout(LIMIT).customHeaders(headers).build();
  }

  private static Map<String, Object> answered(ChatResponse response) {
    return Map.of(
        "text", response.aiMessage().text(),
        "finish", String.valueOf(response.finishReason()),
        "tokens", response.tokenUsage().outputTokenCount());
  }

  private Map<String, Object> streamed(String text, OpenAiStreamingChatModel from) throws Exception {
    CompletableFuture<Map<String, Object>> end = new CompletableFuture<>();
    StringBuffer partial = new StringBuffer();
    from.chat(
        ChatRequest.builder().messages(new UserMessage(text)).build(),
        new StreamingChatResponseHandler() {
          @Override
          public void onPartialResponse(String piece) {
            partial.append(piece);
          }

          @Override
          public void onCompleteResponse(ChatResponse response) {
            Map<String, Object> all = new LinkedHashMap<>(answered(response));
            all.put("text", partial.toString());
            all.put("error", null);
            end.complete(all);
          }

          @Override
          public void onError(Throwable e) {
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("text", partial.toString());
            all.put("error", Map.of("name", e.getClass().getSimpleName(), "message", String.valueOf(e.getMessage())));
            end.complete(all);
          }
        });
    return end.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
  }
}
