package org.infinilm.svc.load;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.DecoderException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLException;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.SseReader;
import org.infinilm.svc.load.LoadSample.Outcome;
import org.infinilm.svc.load.ResponseReader.Nonsense;
import org.jspecify.annotations.Nullable;

/// One keep-alive connection of a run: one request at a time, its answer read as it arrives. Only
/// on the event loop of the run.
final class LoadConnection extends ChannelInboundHandlerAdapter implements ResponseReader.Sink {
  /// One for each byte of a character.
  private static final int MOST_CHARACTER_TOKENS = 4;

  private static final int MOST_ERROR_BYTES = 8 << 10;
  private static final int MOST_ANSWER_BYTES = 64 << 20;
  private static final int MOST_TEXT_CHARS = 16 << 20;
  private static final int MOST_EVENT_BYTES = 16 << 20;

  private final LoadRun run;
  private final boolean chat;
  private final boolean stream;
  private final boolean keepText;
  private final ResponseReader http = new ResponseReader(this);
  private final SseReader sse = new SseReader(MOST_EVENT_BYTES, this::event);
  private final ChunkReader chunk;
  private final ByteArrayOutputStream whole = new ByteArrayOutputStream(0);
  private @Nullable Channel channel;
  private @Nullable LoadSample sample;
  private long now;
  private boolean done;

  /// Whether `[DONE]` came.
  private boolean closed;

  private boolean keepAlive;
  private String statusReason = "";
  private @Nullable String streamError;
  private @Nullable String nonsense;
  private long idleSince;

  LoadConnection(LoadRun run, boolean chat, boolean stream, boolean keepText) {
    this.run = run;
    this.chat = chat;
    this.stream = stream;
    this.keepText = keepText;
    this.chunk = new ChunkReader(keepText);
  }

  void opened(Channel c) {
    channel = c;
  }

  boolean usable() {
    return channel != null && channel.isActive();
  }

  long idleSince() {
    return idleSince;
  }

  /// The request whose answer is awaited; null when idle.
  @Nullable LoadSample sample() {
    return sample;
  }

  /// Takes a request, before the connection may even stand.
  void assign(LoadSample s) {
    sample = s;
    http.begin();
    sse.begin();
    chunk.begin();
    closed = false;
    whole.reset();
    done = false;
    keepAlive = false;
    statusReason = "";
    streamError = null;
    nonsense = null;
  }

  void send(ByteBuf request) {
    Channel c = channel;
    if (c == null) {
      request.release();
      throw new IllegalStateException("send before the connection stands");
    }
    c.writeAndFlush(request, c.voidPromise());
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf b = (ByteBuf) message;
    try {
      now = run.now();
      byte[] scratch = run.scratch();
      while (b.isReadable()) {
        int n = Math.min(scratch.length, b.readableBytes());
        b.readBytes(scratch, 0, n);
        http.feed(scratch, 0, n);
        if (nonsense != null) {
          throw new Nonsense(nonsense);
        }
      }
      if (done) {
        settle(keepAlive);
      }
    } catch (Nonsense e) {
      if (done) {
        settle(false);
      } else {
        broken(e.said());
      }
      ctx.close();
    } finally {
      b.release();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    run.closed(this);
    if (sample == null) {
      return;
    }
    now = run.now();
    try {
      http.closed();
      if (done) {
        settle(false);
      }
    } catch (Nonsense e) {
      broken(e.said());
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    SSLException tls = tls(cause);
    if (tls != null) {
      fail(Outcome.UPSTREAM_GONE, "TLS", "TLS: " + tls.getMessage());
    } else if (cause instanceof RuntimeException e) {
      run.faulty(e);
    } else if (sample != null) {
      now = run.now();
      String said = cause.getMessage() == null ? cause.toString() : cause.getMessage();
      if (cause instanceof IOException) {
        fail(Outcome.UPSTREAM_GONE, "connection broken", said);
      } else {
        broken(said);
      }
    }
    ctx.close();
  }

  /// What went wrong in TLS; null when it was something else.
  private static @Nullable SSLException tls(Throwable cause) {
    Throwable t = cause instanceof DecoderException d ? d.getCause() : cause;
    return t instanceof SSLException e ? e : null;
  }

  @Override
  public void status(int status, String reason) {
    if (sample != null) {
      sample.status = status;
    }
    statusReason = reason;
  }

  @Override
  public void field(String name, String value) {
    LoadSample s = sample;
    if (s == null || !name.startsWith("x-")) {
      return;
    }
    switch (name) {
      case "x-request-id" -> s.requestId = bounded(value, 200);
      case "x-infini-pool" -> s.pool = bounded(value, 40);
      case "x-infini-instance" -> s.instance = bounded(Header.decode(value), 200);
      case "x-infini-reason" -> s.reason = bounded(value, 40);
      case "x-infini-size" -> s.routerSize = number(value);
      case "x-infini-threshold" -> s.threshold = number(value);
      case "x-infini-attempts" -> s.attempts = (int) number(value);
      default -> {
        // not ours
      }
    }
  }

  private static String bounded(String value, int chars) {
    return value.length() > chars ? value.substring(0, chars) : value;
  }

  private static long number(String value) {
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException notSaid) {
      return -1;
    }
  }

  private boolean good() {
    return sample != null && sample.status >= 200 && sample.status < 300;
  }

  @Override
  public void body(byte[] b, int from, int to) {
    if (good() && stream) {
      try {
        sse.feed(b, from, to);
      } catch (IOException e) {
        nonsense = e.getMessage();
      }
      if (sse.strange() && whole.size() < MOST_ERROR_BYTES) {
        whole.write(b, from, Math.min(to - from, MOST_ERROR_BYTES - whole.size()));
      }
    } else {
      int room = (good() ? MOST_ANSWER_BYTES : MOST_ERROR_BYTES) - whole.size();
      whole.write(b, from, Math.min(to - from, Math.max(0, room)));
    }
  }

  @Override
  public void complete(boolean mayReuse) {
    done = true;
    keepAlive = mayReuse;
  }

  private void event(String name, byte[] data, int length) {
    LoadSample s = sample;
    if (s == null) {
      return;
    }
    if (isDone(data, length)) {
      closed = true;
      return;
    }
    if (!chunk.read(data, length)) {
      streamError = streamError == null ? "an event that is no JSON object" : streamError;
      return;
    }
    if (chunk.error() != null) {
      streamError = chunk.error();
    }
    if (chat ? chunk.hasOutput() : chunk.hasChoice()) {
      s.chunk(now, run.keepsGaps());
      run.token(s);
    }
    keepFacts(s);
    keepText(s);
  }

  private static boolean isDone(byte[] data, int length) {
    return length == 6 && data[0] == '[' && data[1] == 'D' && data[5] == ']';
  }

  private void keepFacts(LoadSample s) {
    chunk.eachEnd(s::choiceEnded);
    s.fingerprint = chunk.fingerprint();
    if (chunk.hasUsage()) {
      s.promptTokens = chunk.promptTokens();
      s.outputTokens = chunk.completionTokens();
      s.cachedTokens = chunk.cachedTokens() > s.promptTokens ? -1 : chunk.cachedTokens();
      s.badUsage = chunk.badUsage();
    }
  }

  private void keepText(LoadSample s) {
    if (keepText) {
      StringBuilder t = s.text == null ? new StringBuilder() : s.text;
      if (t.length() < MOST_TEXT_CHARS) {
        t.append(chunk.text());
      }
      s.text = t;
    }
  }

  /// The whole answer has come.
  private void settle(boolean reusable) {
    LoadSample s = sample;
    if (s == null) {
      return;
    }
    if (!good()) {
      Outcome o =
          s.status == 429 || s.status == 503
              ? Outcome.REJECTED
              : s.status == 504 || s.status == 408
                  ? Outcome.TIMEOUT
                  : s.status >= 500 || s.status < 400
                      ? Outcome.UPSTREAM_ERROR
                      : Outcome.CLIENT_ERROR;
      finish(s, o, "HTTP " + s.status, said(), reusable);
    } else if (stream) {
      try {
        sse.end();
      } catch (IOException e) {
        streamError = e.getMessage();
      }
      if (streamError != null) {
        finish(s, Outcome.UPSTREAM_ERROR, "error in the stream", streamError, reusable);
      } else if (s.chunks == 0 && !mayBeWordless(s.outputTokens)) {
        boolean strange = sse.strange();
        finish(
            s,
            Outcome.UPSTREAM_ERROR,
            strange ? "no event stream" : "no chunk with output",
            strange
                ? "no event stream: " + beginning()
                : "the stream ended without a chunk that holds output",
            reusable);
      } else {
        if (s.chunks == 0) {
          s.last = now;
        }
        answered(s, closed, reusable);
      }
    } else {
      wholeAnswer(s, reusable);
    }
  }

  /// Whether an answer of so many tokens by its usage may be without text: parts of one character,
  /// or an end at once.
  private static boolean mayBeWordless(int tokens) {
    return tokens > 0 && tokens <= MOST_CHARACTER_TOKENS;
  }

  private void wholeAnswer(LoadSample s, boolean reusable) {
    byte[] b = whole.toByteArray();
    if (!chunk.read(b, b.length)) {
      finish(s, Outcome.UPSTREAM_ERROR, "not JSON", "not JSON: " + beginning(), reusable);
    } else if (chunk.error() != null) {
      finish(s, Outcome.UPSTREAM_ERROR, "error in the answer", chunk.error(), reusable);
    } else if (!chunk.hasChoice()) {
      finish(s, Outcome.UPSTREAM_ERROR, "no choices", "an answer without choices", reusable);
    } else if (chat
        && !chunk.hasOutput()
        && !mayBeWordless(chunk.hasUsage() ? chunk.completionTokens() : -1)) {
      finish(s, Outcome.UPSTREAM_ERROR, "no output", "an answer that holds no output", reusable);
    } else {
      keepFacts(s);
      keepText(s);
      s.last = now;
      answered(s, true, reusable);
    }
  }

  /// An answer without an error, whole or cut off.
  private void answered(LoadSample s, boolean marked, boolean reusable) {
    String missing =
        AnswerEnd.missing(
            s.finishReason,
            marked,
            s.outputTokens,
            s.askedTokens,
            s.choicesEnded(),
            run.choices(),
            run.ignoresEnd());
    if (missing == null && s.badUsage != null) {
      finish(s, Outcome.UPSTREAM_ERROR, "no possible usage", s.badUsage, reusable);
      return;
    }
    finish(
        s,
        missing == null ? Outcome.OK : Outcome.TRUNCATED,
        missing == null ? null : "cut off",
        missing,
        reusable);
  }

  /// Status line and what the body says.
  private String said() {
    byte[] b = whole.toByteArray();
    String message = chunk.read(b, b.length) && chunk.error() != null ? chunk.error() : beginning();
    int status = sample == null ? 0 : sample.status;
    return "HTTP " + status + (statusReason.isEmpty() ? "" : " " + statusReason) + ": " + message;
  }

  private String beginning() {
    String t = whole.toString(StandardCharsets.UTF_8).replaceAll("[\\s\\p{Cntrl}]+", " ").strip();
    return bounded(t, 200);
  }

  private void broken(String said) {
    if (streamError != null) {
      fail(Outcome.UPSTREAM_ERROR, "error in the stream", streamError);
    } else if (said.startsWith("not HTTP")) {
      fail(Outcome.UPSTREAM_ERROR, "not HTTP", said);
    } else if (said.startsWith("the ")) {
      fail(Outcome.UPSTREAM_GONE, said, said);
    } else {
      fail(Outcome.UPSTREAM_ERROR, "broken answer", said);
    }
  }

  /// Ends the request without an answer and closes the connection.
  void fail(Outcome outcome, String kind, String detail) {
    LoadSample s = sample;
    if (s != null) {
      now = Math.max(now, run.now());
      finish(s, outcome, kind, detail, false);
    }
    if (channel != null) {
      channel.close();
    }
  }

  /// The connection could not be made.
  void refused(Throwable cause) {
    boolean refused = cause instanceof ConnectException && !isTimeout(cause);
    String said = cause.getMessage() == null ? cause.toString() : cause.getMessage();
    fail(
        isTimeout(cause) ? Outcome.TIMEOUT : Outcome.UPSTREAM_GONE,
        refused && said.contains("refused") ? "connection refused" : "no connection",
        said);
  }

  private static boolean isTimeout(Throwable cause) {
    return cause instanceof io.netty.channel.ConnectTimeoutException;
  }

  private void finish(
      LoadSample s,
      Outcome outcome,
      @Nullable String kind,
      @Nullable String detail,
      boolean reusable) {
    sample = null;
    s.end = now;
    s.outcome = outcome;
    s.failure = kind;
    s.detail = detail == null ? null : bounded(Words.printable(run.hidden(detail)), 300);
    idleSince = now;
    boolean keep = reusable && usable() && !http.busy();
    if (!keep && channel != null) {
      channel.close();
    }
    run.ended(this, s, keep);
  }
}
