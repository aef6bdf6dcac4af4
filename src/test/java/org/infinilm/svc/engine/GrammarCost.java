package org.infinilm.svc.engine;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.infinilm.svc.http.Json;

/// CPU time of choosing one token in a form, by the schema: median and largest in milliseconds over
/// answers of random logits, which the form rejects nearly always, and of making the grammar.
///
///     java --enable-native-access=ALL-UNNAMED -cp 'target/classes:target/test-classes:target/lib/*' \
///       org.infinilm.svc.engine.GrammarCost model/infini-tiny.gguf
final class GrammarCost {
  private static final int ANSWERS = 4;
  private static final int TOKENS = 30;

  private GrammarCost() {}

  private static String values(int count, String form) {
    return IntStream.range(0, count)
        .mapToObj(i -> "\"" + form.formatted(i) + "\"")
        .collect(Collectors.joining(","));
  }

  private static String optional(int count, String form) {
    return "{\"type\":\"object\",\"properties\":{"
        + IntStream.range(0, count)
            .mapToObj(i -> "\"" + form.formatted(i) + "\":{\"type\":\"integer\"}")
            .collect(Collectors.joining(","))
        + "}}";
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> schemas = new LinkedHashMap<>();
    schemas.put("any object", "{\"type\":\"object\"}");
    schemas.put(
        "enum of 1,000, 40 characters alike",
        "{\"enum\":[" + values(1000, "a".repeat(40) + "%04d") + "]}");
    schemas.put(
        "array of them",
        "{\"type\":\"array\",\"minItems\":5,\"items\":{\"enum\":["
            + values(1000, "a".repeat(10) + "%04d")
            + "]}}");
    schemas.put("50 optional properties", optional(50, "a%05d"));
    schemas.put("127 optional properties", optional(127, "a%05d"));
    NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(System.getenv()), Path.of(args[0]));
    TokenTable table = new TokenTable(llama.vocabulary());
    ThreadMXBean cpu = ManagementFactory.getThreadMXBean();
    System.out.println("schema: median, largest ms a token; ms to make");
    for (Map.Entry<String, String> e : schemas.entrySet()) {
      String gbnf =
          SchemaGrammar.of(
              Json.tree(e.getValue().getBytes(StandardCharsets.UTF_8)), Effort.alone());
      double[] millis = new double[ANSWERS * TOKENS];
      double made = 0;
      int n = 0;
      for (int answer = 0; answer < ANSWERS; answer++) {
        SplittableRandom random = new SplittableRandom(answer);
        Sampling hot = new Sampling(1, 0, 1, 0, answer, List.of(), false);
        long start = cpu.getCurrentThreadCpuTime();
        Grammar grammar = llama.vocabulary().grammar(gbnf);
        made = (cpu.getCurrentThreadCpuTime() - start) / 1e6;
        try (Sampler sampler = new Sampler(hot, table.ends(), new int[0], grammar)) {
          for (int t = 0; t < TOKENS; t++) {
            float[] logits = new float[table.size()];
            for (int i = 0; i < logits.length; i++) {
              logits[i] = (float) random.nextGaussian();
            }
            start = cpu.getCurrentThreadCpuTime();
            int token = sampler.next(logits);
            millis[n++] = (cpu.getCurrentThreadCpuTime() - start) / 1e6;
            if (token < 0 || table.isEnd(token)) {
              break;
            }
          }
        }
      }
      double[] sorted = Arrays.copyOf(millis, n);
      Arrays.sort(sorted);
      System.out.printf("%s: %.2f, %.2f; %.1f%n", e.getKey(), sorted[n / 2], sorted[n - 1], made);
    }
    llama.close();
  }
}
