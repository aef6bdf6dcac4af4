package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import io.netty.util.concurrent.FastThreadLocal;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Reads of a request's body what routing needs, whatever its form and its Content-Encoding, in one
/// pass and in a small window. Stateless; on any thread.
public final class BodyPeek {
  private static final int WINDOW = 16 << 10;

  /// Bytes behind a window's end that may be loaded with its last ones.
  private static final int SLACK = 8;

  private static final FastThreadLocal<byte[]> WINDOWS =
      new FastThreadLocal<>() {
        @Override
        protected byte[] initialValue() {
          return new byte[WINDOW + SLACK];
        }
      };

  /// A thread's readers of JSON, by what they look for, while none of them is in use.
  private static final FastThreadLocal<@Nullable JsonPeek[]> READERS =
      new FastThreadLocal<>() {
        @Override
        protected @Nullable JsonPeek[] initialValue() {
          return new JsonPeek[2 * Look.values().length];
        }
      };

  /// Bytes that any coding may expand to, and how many times its own size beyond them.
  private static final int FREE_BYTES = 1 << 20;

  private static final int MOST_RATIO = 200;

  private BodyPeek() {}

  /// Which keys of a JSON body hold the text of its prompt.
  public enum Look {
    /// None: only the keys that every route has.
    NOTHING,
    /// `messages`, or `prompt` where there are none: chat and text completions.
    CHAT,
    /// `messages` and `system`: Anthropic's messages.
    MESSAGES,
    /// `input` and `instructions`: responses.
    RESPONSES
  }

  /// The kind of a body.
  public enum Form {
    EMPTY,
    /// Neither an object nor a form.
    OTHER,
    OBJECT,
    /// Begins as an object and breaks off or goes wrong.
    BROKEN,
    MULTIPART,
    /// A form of names and values.
    URLENCODED,
    /// Its Content-Encoding is none that can be undone here.
    UNKNOWN_CODING,
    /// It is not in the coding that its Content-Encoding names.
    BAD_CODING,
    /// Larger than allowed once its Content-Encoding is undone.
    TOO_LARGE
  }

  /// Whether the answer is to be kept where it was made (`store`).
  public enum Store {
    UNSAID,
    YES,
    NO
  }

  /// What a body said.
  ///
  /// @param form what kind of document it is
  /// @param model the value of `model` when it is a string and not empty; of several equal ones the
  ///   one
  /// @param modelProblem why `model` cannot be used, or null
  /// @param caller the session or the user that it names (`session_id`, `user`, the same in
  ///   `metadata`), or null
  /// @param maxTokens the largest of `max_tokens`, `max_completion_tokens`, `max_output_tokens`; 0
  ///   when absent
  /// @param bytes of the body with its Content-Encoding undone
  /// @param extent how much text its prompt has, or null when it was not looked for
  /// @param prompt what would be tokenized, or null when it was not to be told by kind
  /// @param problem what is wrong with the document or its coding, or null
  public record Peeked(
      Form form,
      @Nullable String model,
      @Nullable String modelProblem,
      @Nullable String promptCacheKey,
      @Nullable String caller,
      boolean stream,
      Store store,
      long maxTokens,
      long bytes,
      @Nullable Extent extent,
      @Nullable Prompt prompt,
      @Nullable String problem) {
    static Peeked of(Form form, long bytes, @Nullable String problem) {
      return new Peeked(
          form, null, null, null, null, false, Store.UNSAID, 0, bytes, null, null, problem);
    }

    /// The same with something wrong with its model.
    Peeked with(String problemOfModel) {
      return new Peeked(
          form,
          null,
          problemOfModel,
          promptCacheKey,
          caller,
          stream,
          store,
          maxTokens,
          bytes,
          extent,
          prompt,
          problem);
    }
  }

  /// How much text a prompt has, in decoded bytes of UTF-8.
  ///
  /// @param prompts how many there are; each has a context of its own
  /// @param textBytes of all text in `messages`, else `prompt`; of the route's own keys elsewhere
  /// @param tokenIds of a prompt that is given as such
  /// @param messages how many a template would frame
  /// @param bytes of text and tools
  /// @param cut whether the instance may cut the prompt to what it can hold
  public record Extent(
      int prompts, long textBytes, long tokenIds, int messages, long bytes, boolean cut) {}

  /// The text of a prompt in decoded bytes of UTF-8, by kind.
  ///
  /// @param prompts how many there are; each has a context of its own
  /// @param textBytes of all text in `messages`, else `prompt`; of the route's own keys elsewhere
  /// @param tokenIds of a prompt that is given as such
  /// @param messages how many a template would frame
  /// @param letters ASCII letters and white space, in text and tools
  /// @param digits ASCII digits, likewise
  /// @param marks other ASCII, likewise
  /// @param multiByte bytes of characters beyond ASCII, likewise
  /// @param whole whether that is all that the instance will count as the prompt: no images, no
  ///   sound, no earlier answers by name
  /// @param cut whether the instance may cut the prompt to what it can hold
  public record Prompt(
      int prompts,
      long textBytes,
      long tokenIds,
      int messages,
      long letters,
      long digits,
      long marks,
      long multiByte,
      boolean whole,
      boolean cut) {
    public long bytes() {
      return letters + digits + marks + multiByte;
    }
  }

  public static final Peeked NOTHING = Peeked.of(Form.EMPTY, 0, null);

  /// From now on, bodies are read with vectors as soon as the JVM has compiled them to something
  /// faster than what needs none; never where the JVM was started without `jdk.incubator.vector`,
  /// or the CPU's vectors are narrow.
  ///
  /// @param nanos monotonic nanoseconds, read on any thread
  public static void warm(LongSupplier nanos) {
    Blocks.warm(nanos);
  }

  /// Peeks at `body`, leaving its indexes as they are.
  ///
  /// @param contentType the field's value or null; forms are told by it
  /// @param contentEncoding the field's value or null
  /// @param mostBytes limit of the body with its Content-Encoding undone
  /// @param kinds whether a prompt's text is to be told by kind of byte, which takes longer
  public static Peeked at(
      ByteBuf body,
      @Nullable String contentType,
      @Nullable String contentEncoding,
      long mostBytes,
      Look look,
      boolean kinds) {
    Sink form = form(contentType, look, kinds);
    if (form != null) {
      return at(body, contentEncoding, mostBytes, form);
    }
    @Nullable JsonPeek[] readers = READERS.get();
    int k = index(look, kinds);
    JsonPeek kept = readers[k];
    JsonPeek json = kept == null ? new JsonPeek(look, kinds) : kept;
    readers[k] = null;
    Peeked p = at(body, contentEncoding, mostBytes, json);
    json.reset();
    readers[k] = json;
    return p;
  }

  @SuppressWarnings("EnumOrdinal") // the index of arrays that live no longer than this process
  private static int index(Look look, boolean kinds) {
    return look.ordinal() * 2 + (kinds ? 1 : 0);
  }

  private static Peeked at(
      ByteBuf body, @Nullable String contentEncoding, long mostBytes, Sink sink) {
    String coding = ContentCoding.of(contentEncoding);
    if (coding == null) {
      return Peeked.of(
          Form.UNKNOWN_CODING,
          body.readableBytes(),
          "content-encoding: "
              + contentEncoding
              + " (expected: one of "
              + String.join(", ", ContentCoding.KNOWN)
              + ")");
    }
    if (coding.equals(ContentCoding.IDENTITY) || !body.isReadable()) {
      plain(body, sink);
      return sink.peeked(body.readableBytes());
    }
    return decoded(body, coding, mostBytes, sink);
  }

  /// How many bytes of a JSON body's texts are of a kind of which one token can stand for very
  /// many: white space, marks, and characters that repeat the one before. Never fewer than there
  /// are.
  public static long lightBytes(ByteBuf body, @Nullable String contentEncoding, long mostBytes) {
    LightBytes light = new LightBytes();
    String coding = ContentCoding.of(contentEncoding);
    if (coding == null || coding.equals(ContentCoding.IDENTITY)) {
      plain(body, light);
    } else {
      decoded(body, coding, mostBytes, light);
    }
    return light.light();
  }

  /// The parts of a body that are read in turn.
  interface Sink {
    void feed(byte[] b, int from, int to);

    boolean wantsMore();

    /// What the body said, after its last piece.
    Peeked peeked(long bytes);
  }

  private static @Nullable Sink form(@Nullable String contentType, Look look, boolean kinds) {
    byte[] boundary = contentType == null ? null : MultipartModel.boundary(contentType);
    if (boundary != null && contentType != null) {
      return new MultipartModel(boundary, FormHeader.problem(contentType));
    }
    return UrlencodedModel.is(contentType)
        ? new UrlencodedModel.OrJson(new JsonPeek(look, kinds))
        : null;
  }

  /// Whether a content type says that a body is a form of names and values, as clients also say of
  /// JSON when they are told nothing.
  public static boolean isUrlencoded(@Nullable String contentType) {
    return UrlencodedModel.is(contentType);
  }

  /// What the query of a target says of `model`.
  public static Peeked query(String target) {
    int at = target.indexOf('?');
    if (at < 0) {
      return NOTHING;
    }
    byte[] b = target.substring(at + 1).getBytes(UTF_8);
    UrlencodedModel m = new UrlencodedModel();
    m.feed(b, 0, b.length);
    return m.peeked(b.length);
  }

  private static void plain(ByteBuf body, Sink sink) {
    int from = body.readerIndex();
    int to = body.writerIndex();
    if (body.hasArray()) {
      sink.feed(body.array(), body.arrayOffset() + from, body.arrayOffset() + to);
      return;
    }
    byte[] window = WINDOWS.get();
    while (from < to && sink.wantsMore()) {
      int n = Math.min(WINDOW, to - from);
      body.getBytes(from, window, 0, n);
      sink.feed(window, 0, n);
      from += n;
    }
  }

  private static Peeked decoded(ByteBuf body, String coding, long mostBytes, Sink sink) {
    long encoded = body.readableBytes();
    long most = Math.min(mostBytes, FREE_BYTES + MOST_RATIO * encoded);
    long bytes = 0;
    try (InputStream in =
        ContentCoding.open(coding, new ByteBufInputStream(body.duplicate(), false))) {
      byte[] window = WINDOWS.get();
      for (int n = in.read(window, 0, WINDOW); n >= 0; n = in.read(window, 0, WINDOW)) {
        bytes += n;
        if (bytes > most) {
          return Peeked.of(
              Form.TOO_LARGE,
              bytes,
              "the body of "
                  + encoded
                  + " bytes in "
                  + coding
                  + " holds more than "
                  + most
                  + " (expected: at most "
                  + mostBytes
                  + ", and at most "
                  + MOST_RATIO
                  + " times its own size beyond 1 MiB)");
        }
        sink.feed(window, 0, n);
      }
    } catch (IOException | RuntimeException | StackOverflowError | InternalError e) {
      // decoders meet damage in every way
      return badCoding(sink.peeked(bytes), coding, e);
    }
    return sink.peeked(bytes);
  }

  /// A body that breaks in its coding after its model is the instance's to judge, as one that
  /// breaks in its JSON.
  private static Peeked badCoding(Peeked p, String coding, Throwable why) {
    return new Peeked(
        Form.BAD_CODING,
        p.model(),
        p.modelProblem(),
        p.promptCacheKey(),
        p.caller(),
        p.stream(),
        p.store(),
        p.maxTokens(),
        p.bytes(),
        p.extent(),
        p.prompt(),
        why instanceof ContentCoding.Refused
            ? String.valueOf(why.getMessage())
            : "the body is not in the coding of its content-encoding: " + coding);
  }

  /// A short body, or the start of one, without its content coding, as far as it can be undone:
  /// what an unknown coding or damage hides is left out.
  ///
  /// @param contentEncoding the field's value, or null
  /// @param most bytes of what comes out
  public static byte[] plain(byte[] body, @Nullable String contentEncoding, int most) {
    String coding = ContentCoding.of(contentEncoding);
    if (ContentCoding.IDENTITY.equals(coding)) {
      return body;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (coding != null) {
      try (InputStream in = ContentCoding.open(coding, new ByteArrayInputStream(body))) {
        byte[] piece = new byte[1024];
        int n = in.read(piece);
        while (n >= 0 && out.size() < most) {
          out.write(piece, 0, Math.min(n, most - out.size()));
          n = in.read(piece);
        }
      } catch (IOException | RuntimeException damage) {
        // what came before it counts
      }
    }
    return out.toByteArray();
  }
}
