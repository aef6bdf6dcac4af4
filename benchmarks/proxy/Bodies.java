import com.alibaba.fastjson2.JSONReader;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.PooledByteBufAllocator;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.ToIntFunction;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.BodyPeek.Look;
import org.simdjson.SimdJsonParser;

/// CPU time of reading a request's body, by size and by what its text is: least of five measurements, with the sizes of
/// its text alone and with its kinds, by words and then by vectors; of Jackson's streaming parser passing over all of it; and of
/// fastjson2 and simdjson, which look for the model alone (fastjson2 skips what stands before it, simdjson parses all of it) and get
/// the bytes in an array. `benchmarks/proxy/bodies` fetches these and runs it.
public final class Bodies {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private static final JsonFactory JACKSON = new JsonFactory();
  private static final SimdJsonParser SIMDJSON = new SimdJsonParser();

  /// The body that is measured, for who reads arrays.
  private static byte[] plain = {};
  private static final List<String> KINDS = List.of("chat", "prose", "short", "chinese", "escaped", "code");
  private static final int[] SIZES = {900, 64_000, 1_000_000};

  private static byte[] body(String kind, int size) {
    String text =
        switch (kind) {
          case "chat" ->
              "The quick brown fox \\\"jumps\\\" over the lazy dog, and says: hello world.\\n Some more text, as long as what people"
                  + " write in a chat, so that strings make up most of the body, as they do in practice. 12 * 12 = 144.";
          case "prose" -> "The old man walked to the river and looked at the boats that came home in the evening. ";
          case "short" -> "ok, and then?";
          case "escaped" -> "\\u4eca\\u5929\\u5929\\u6c14\\u5f88\\u597d\\uff0c\\u6211\\u4eec\\u53bb\\u516c\\u56ed\\u6563\\u6b65\\u5427\\u3002";
          case "chinese" -> "今天天气很好，我们去公园散步吧。";
          default -> "x = \\\"a\\\";\\n\\tif (y) {\\n\\t\\treturn 12;\\n\\t}\\n";
        };
    boolean many = kind.equals("chat") || kind.equals("short");
    int bytes = text.getBytes(StandardCharsets.UTF_8).length;
    StringBuilder b = new StringBuilder("{\"messages\":[");
    if (many) {
      String message = "{\"role\":\"user\",\"content\":\"" + text + "\"},";
      b.repeat(message, Math.max(1, size / message.length()));
    } else {
      b.append("{\"role\":\"user\",\"content\":\"").repeat(text, Math.max(1, size / bytes)).append("\"},");
    }
    b.append("{\"role\":\"user\",\"content\":\"end\"}],\"stream\":false,\"model\":\"m\"}");
    return b.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static double micros(byte[] body, long nanos, ToIntFunction<ByteBuf> read) {
    plain = body;
    ByteBuf b = PooledByteBufAllocator.DEFAULT.directBuffer(body.length).writeBytes(body);
    long from = THREADS.getCurrentThreadCpuTime();
    long n = 0;
    for (long used = 0; used < nanos; used = THREADS.getCurrentThreadCpuTime() - from) {
      for (int k = 0; k < 10; k++, n++) {
        if (read.applyAsInt(b) == 0) {
          throw new IllegalStateException("no model");
        }
      }
    }
    double micros = (THREADS.getCurrentThreadCpuTime() - from) / 1e3 / n;
    b.release();
    return micros;
  }

  private static int peek(ByteBuf b, boolean kinds) {
    return BodyPeek.at(b, "application/json", null, Long.MAX_VALUE, Look.CHAT, kinds).model() == null ? 0 : 1;
  }

  private static int jackson(ByteBuf b) {
    int tokens = 0;
    try (JsonParser p = JACKSON.createParser((InputStream) new ByteBufInputStream(b.duplicate()))) {
      while (p.nextToken() != null) {
        tokens++;
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return tokens;
  }

  private static int fastjson(ByteBuf unused) {
    try (JSONReader r = JSONReader.of(plain)) {
      String model = null;
      r.nextIfObjectStart();
      while (!r.nextIfObjectEnd()) {
        if ("model".equals(r.readFieldName())) {
          model = r.readString();
        } else {
          r.skipValue();
        }
      }
      return model == null ? 0 : 1;
    }
  }

  private static int simdjson(ByteBuf unused) {
    return SIMDJSON.parse(plain, plain.length).get("model").asString().isEmpty() ? 0 : 1;
  }

  private static double[][][] measured(int rounds, List<ToIntFunction<ByteBuf>> readers) {
    double[][][] least = new double[readers.size()][KINDS.size()][SIZES.length];
    for (int round = 0; round < rounds; round++) {
      for (int kind = 0; kind < KINDS.size(); kind++) {
        for (int size = 0; size < SIZES.length; size++) {
          byte[] body = body(KINDS.get(kind), SIZES[size]);
          for (int r = 0; r < readers.size(); r++) {
            double best = Double.MAX_VALUE;
            for (int k = 0; k < (round == rounds - 1 ? 5 : 1); k++) {
              best = Math.min(best, micros(body, 30_000_000, readers.get(r)));
            }
            least[r][kind][size] = best;
          }
        }
      }
    }
    return least;
  }

  public static void main(String[] args) {
    List<ToIntFunction<ByteBuf>> ours = List.of(b -> peek(b, false), b -> peek(b, true));
    double[][][] other = measured(3, List.of(Bodies::jackson, Bodies::fastjson, Bodies::simdjson));
    double[][][] words = measured(5, ours);
    BodyPeek.warm(System::nanoTime);
    double[][][] vectors = measured(5, ours);
    System.out.println("us                        words    kinds   vectors    kinds   Jackson fastjson2 simdjson  |  bytes a ns in the same order");
    for (int kind = 0; kind < KINDS.size(); kind++) {
      for (int size = 0; size < SIZES.length; size++) {
        int bytes = body(KINDS.get(kind), SIZES[size]).length;
        double[] all = {
          words[0][kind][size],
          words[1][kind][size],
          vectors[0][kind][size],
          vectors[1][kind][size],
          other[0][kind][size],
          other[1][kind][size],
          other[2][kind][size]
        };
        StringBuilder line = new StringBuilder(String.format("%-8s %8d bytes", KINDS.get(kind), bytes));
        for (double micros : all) {
          line.append(String.format(" %8.1f", micros));
        }
        line.append("  |");
        for (double micros : all) {
          line.append(String.format(" %5.2f", bytes / micros / 1000));
        }
        System.out.println(line);
      }
    }
  }
}
