import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.BodyPeek.Look;

/// CPU time of reading a request's body, by size and by what its text is: least of five measurements, with the sizes of
/// its text alone, and with its kinds.
///
///     java -cp 'target/classes:target/lib/*' benchmarks/proxy/Bodies.java
public final class Bodies {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private static final List<String> KINDS = List.of("chat", "prose", "short", "chinese", "code");
  private static final int[] SIZES = {900, 64_000, 1_000_000};

  private static byte[] body(String kind, int size) {
    String text =
        switch (kind) {
          case "chat" ->
              "The quick brown fox \\\"jumps\\\" over the lazy dog, and says: hello world.\\n Some more text, as long as what people"
                  + " write in a chat, so that strings make up most of the body, as they do in practice. 12 * 12 = 144.";
          case "prose" -> "The old man walked to the river and looked at the boats that came home in the evening. ";
          case "short" -> "ok, and then?";
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

  private static double micros(byte[] body, boolean kinds, long nanos) {
    ByteBuf b = PooledByteBufAllocator.DEFAULT.directBuffer(body.length).writeBytes(body);
    long from = THREADS.getCurrentThreadCpuTime();
    long n = 0;
    for (long used = 0; used < nanos; used = THREADS.getCurrentThreadCpuTime() - from) {
      for (int k = 0; k < 10; k++, n++) {
        if (BodyPeek.at(b, "application/json", null, Long.MAX_VALUE, Look.CHAT, kinds).model() == null) {
          throw new IllegalStateException("no model");
        }
      }
    }
    double micros = (THREADS.getCurrentThreadCpuTime() - from) / 1e3 / n;
    b.release();
    return micros;
  }

  public static void main(String[] args) {
    for (int round = 0; round < 6; round++) {
      for (String kind : KINDS) {
        for (int size : SIZES) {
          double sizes = Double.MAX_VALUE;
          double kinds = Double.MAX_VALUE;
          byte[] body = body(kind, size);
          for (int k = 0; k < (round == 5 ? 5 : 1); k++) {
            sizes = Math.min(sizes, micros(body, false, 50_000_000));
            kinds = Math.min(kinds, micros(body, true, 50_000_000));
          }
          if (round == 5) {
            System.out.printf("%-8s %8d bytes: %8.1f us, with kinds %8.1f us%n", kind, body.length, sizes, kinds);
          }
        }
      }
    }
  }
}
