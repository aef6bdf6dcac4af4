package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a [RequestReader] makes of requests that come in pieces; what it refuses ends it.
final class ReadRequests {
  /// One request.
  ///
  /// @param plain whether it went past the codec
  record Asked(ClientHead head, String body, boolean plain) {
    /// Without what tells one framing from the other.
    String shown() {
      return head.method()
          + " "
          + head.target()
          + " "
          + head.path()
          + " "
          + head.isHttp10()
          + " "
          + head.keepAlive()
          + " "
          + head.framed()
          + " "
          + head.length()
          + " "
          + head.takesTrailers()
          + " "
          + head.fields()
          + " "
          + body;
    }
  }

  /// @param refused why what came next was refused, or null
  record Read(List<Asked> requests, @Nullable String refused) {
    List<String> shown() {
      List<String> out = new ArrayList<>(requests.stream().map(Asked::shown).toList());
      if (refused != null) {
        out.add("refused: " + refused);
      }
      return out;
    }

    long plain() {
      return requests.stream().filter(Asked::plain).count();
    }
  }

  private ReadRequests() {}

  static Read of(List<String> pieces, boolean codecOnly) {
    RequestReader reader = new RequestReader(() -> true, new HeadScan(), codecOnly);
    EmbeddedChannel c =
        new EmbeddedChannel(reader, reader.decoder(), new ChannelInboundHandlerAdapter());
    List<Asked> out = new ArrayList<>();
    ClientHead head = null;
    StringBuilder body = new StringBuilder();
    String refused = null;
    for (String p : pieces) {
      c.writeInbound(Unpooled.copiedBuffer(p, ISO_8859_1));
      for (Object o = c.readInbound(); o != null; o = c.readInbound()) {
        if (refused == null && o instanceof HttpObject h && h.decoderResult().isFailure()) {
          refused = String.valueOf(h.decoderResult().cause().getMessage());
        }
        if (refused == null) {
          if (o instanceof PlainRequest r) {
            head = r;
          } else if (o instanceof HttpRequest r) {
            RequestCheck.Refusal no = RequestCheck.refusal(r);
            refused = no == null ? null : no.toString();
            head = new NettyRequestHead(r);
          } else if (o instanceof ByteBuf b) {
            body.append(b.toString(ISO_8859_1));
          }
          if (o instanceof HttpContent b) {
            body.append(b.content().toString(ISO_8859_1));
          }
          if (head != null
              && refused == null
              && (RequestReader.END.equals(o) || o instanceof LastHttpContent)) {
            out.add(new Asked(head, body.toString(), !(head instanceof NettyRequestHead)));
            head = null;
            body.setLength(0);
          }
        }
        ReferenceCountUtil.release(o);
      }
    }
    c.finishAndReleaseAll();
    return new Read(out, refused);
  }
}
