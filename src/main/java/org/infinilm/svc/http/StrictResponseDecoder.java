package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseDecoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Netty's response decoder for one answer at a time: tells informational answers apart
/// ([Interim]), refuses what two readers could frame differently (RFC 9112 sections 4, 5.2, 6.1,
/// 6.3, 7.1), and never reads bytes that nobody asked for as an answer. What is refused comes out
/// as a part whose `decoderResult` has failed with a [BadAnswer].
final class StrictResponseDecoder extends HttpResponseDecoder {
  static final int MAX_HEAD_BYTES = 64 << 10;
  private static final int MAX_INFORMATIONAL = 16;
  private static final byte[] VERSION = {'H', 'T', 'T', 'P', '/', '1', '.'};
  private static final int STATUS_LINE_BYTES = 13;
  private static final byte[] CHUNKED_HEAD =
      Ascii.of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

  private boolean expecting;
  private boolean inHead;
  private boolean atStatusLine;
  private boolean toHead;
  private boolean bad;
  private boolean byClose;
  private boolean surplus;
  private boolean resumes;
  private int informational;

  StrictResponseDecoder() {
    super(
        new HttpDecoderConfig()
            .setMaxInitialLineLength(16 << 10)
            .setMaxHeaderSize(MAX_HEAD_BYTES)
            .setMaxChunkSize(64 << 10)
            .setStrictLineParsing(true)
            .setUseRfc9112TransferEncoding(true)
            .setAllowDuplicateContentLengths(false));
  }

  /// A request is sent: one answer may come.
  ///
  /// @param head whether it is a HEAD request, whose answer has no body whatever it says
  void expect(boolean head) {
    expecting = true;
    inHead = true;
    atStatusLine = true;
    toHead = head;
    resumes = false;
    informational = 0;
  }

  /// Goes on with a chunked answer that another has read up to the start of a chunk's size.
  ///
  /// @return what it must be given before the rest; no part comes of that
  byte[] resume() {
    expect(false);
    resumes = true;
    return CHUNKED_HEAD.clone();
  }

  /// Whether bytes came that belong to no answer; they were thrown away.
  boolean surplus() {
    return surplus;
  }

  /// Whether every byte that came has been read as part of an answer.
  boolean isEmpty() {
    return !surplus && !bad && actualReadableBytes() == 0;
  }

  /// Whether the answer ended because the connection did.
  boolean endedByClose() {
    return byClose;
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
    if (bad) {
      in.skipBytes(in.readableBytes());
      return;
    }
    if (!expecting) {
      surplus |= in.isReadable();
      in.skipBytes(in.readableBytes());
      return;
    }
    if (inHead) {
      String why = wrong(in);
      if (why != null) {
        in.skipBytes(in.readableBytes());
        out.add(refused(why));
        return;
      }
    }
    int before = out.size();
    int from = in.readerIndex();
    super.decode(ctx, in, out);
    atStatusLine &= in.readerIndex() == from;
    if (inHead && out.size() > before) {
      head(out, before);
    }
    look(out, before);
  }

  @Override
  protected void decodeLast(ChannelHandlerContext ctx, ByteBuf in, List<Object> out)
      throws Exception {
    int before = out.size();
    super.decodeLast(ctx, in, out);
    byClose = out.size() > before;
    look(out, before);
  }

  /// Judges the head that `out` holds from `at` on.
  private void head(List<Object> out, int at) {
    HttpResponse r = (HttpResponse) out.get(at);
    if (r.decoderResult().isFailure()) {
      return;
    }
    if (resumes) {
      resumes = false;
      inHead = false;
      out.remove(at);
      return;
    }
    boolean interim = r.status().codeClass() == HttpStatusClass.INFORMATIONAL;
    String why = interim ? wrongInformational(r) : wrong(r);
    if (interim || why != null) {
      out.subList(at, out.size()).clear();
    }
    if (why != null) {
      out.add(refused(why));
    } else if (interim) {
      atStatusLine = true;
      out.add(new Interim(new NettyResponseHead(r)));
    } else {
      inHead = false;
    }
  }

  private void look(List<Object> out, int before) {
    for (int k = before; k < out.size(); k++) {
      if (out.get(k) instanceof HttpObject part) {
        bad |= part.decoderResult().isFailure();
        expecting &= !(part instanceof LastHttpContent);
      }
    }
  }

  private HttpResponse refused(String why) {
    bad = true;
    HttpResponse r = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.BAD_GATEWAY);
    r.setDecoderResult(DecoderResult.failure(new BadAnswer(why)));
    return r;
  }

  private @Nullable String wrongInformational(HttpResponse r) {
    if (r.status().code() == 101) {
      return "101 that nobody asked for";
    }
    return ++informational > MAX_INFORMATIONAL
        ? "more than " + MAX_INFORMATIONAL + " informational answers"
        : wrongReason(r);
  }

  private static @Nullable String wrong(HttpResponse r) {
    if (r.status().code() > 599) {
      return "status " + r.status().code() + " (expected: 100..599)";
    }
    String why = wrongReason(r);
    if (why != null) {
      return why;
    }
    List<String> codings = r.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
    return codings.isEmpty()
            || (codings.size() == 1 && codings.getFirst().strip().equalsIgnoreCase("chunked"))
        ? null
        : "Transfer-Encoding other than one chunked";
  }

  private static @Nullable String wrongReason(HttpResponse r) {
    String reason = r.status().reasonPhrase();
    for (int k = 0; k < reason.length(); k++) {
      char c = reason.charAt(k);
      if ((c < ' ' && c != '\t') || c == 127) {
        return "control character in the status line";
      }
    }
    return null;
  }

  @Override
  protected boolean isContentAlwaysEmpty(HttpMessage m) {
    return toHead || super.isContentAlwaysEmpty(m);
  }

  @Override
  protected void handleTransferEncodingChunkedWithContentLength(HttpMessage m) {
    throw new BadAnswer("both Content-Length and Transfer-Encoding");
  }

  /// What is wrong with the bytes of a head, as far as they have come: a status line that is none,
  /// a folded field, which the decoder would join, or a blank within a name, which it would cut.
  private @Nullable String wrong(ByteBuf in) {
    int end = in.writerIndex();
    int line = in.readerIndex();
    boolean status = atStatusLine;
    if (status) {
      for (int k = 0; k < STATUS_LINE_BYTES && line + k < end; k++) {
        if (!fits(k, in.getByte(line + k))) {
          return instead(in);
        }
      }
    }
    while (line < end) {
      if (!status && isBlank(in.getByte(line))) {
        return "folded header field";
      }
      int lf = in.indexOf(line, end, (byte) '\n');
      if (lf < 0 || (!status && lf <= line + 1)) {
        return null;
      }
      if (!status && hasBlankInName(in, line, lf)) {
        return "blank in a field's name";
      }
      status = false;
      line = lf + 1;
    }
    return null;
  }

  /// Blanks between a name and its colon are none (RFC 9112 section 5.1: removed by proxies).
  private static boolean hasBlankInName(ByteBuf in, int from, int end) {
    boolean blank = false;
    for (int k = from; k < end; k++) {
      byte b = in.getByte(k);
      if (b == ':') {
        return false;
      }
      if (blank && !isBlank(b)) {
        return b != '\r';
      }
      blank |= isBlank(b);
    }
    return false;
  }

  private static boolean isBlank(byte b) {
    return b == ' ' || b == '\t';
  }

  /// Whether `b` may be byte `k` of `HTTP/1.x NNN`, a blank or the line's end.
  private static boolean fits(int k, byte b) {
    if (k < VERSION.length) {
      return b == VERSION[k];
    }
    return switch (k) {
      case 7 -> b == '0' || b == '1';
      case 8 -> b == ' ';
      case 9 -> b >= '1' && b <= '9';
      case 10, 11 -> b >= '0' && b <= '9';
      default -> b == ' ' || b == '\r';
    };
  }

  /// What came in place of a status line, by its first byte: no more may have come yet.
  private static String instead(ByteBuf in) {
    return switch (in.getByte(in.readerIndex())) {
      case 0x15, 0x16 -> "TLS where plain HTTP was expected (its URL says http)";
      case 0 -> "binary frames, as of HTTP/2 (expected: HTTP/1.1)";
      default -> "no HTTP/1 status line";
    };
  }
}
