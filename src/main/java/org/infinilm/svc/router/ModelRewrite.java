package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.InputStream;
import org.infinilm.svc.http.Json;

/// Puts another model into a JSON body, for aliases; every other byte stays as it came.
final class ModelRewrite {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxNestingDepth(2000)
                  .build())
          .build();

  private ModelRewrite() {}

  /// A copy of `body` whose top-level `model` (each, where it stands twice) is `model`; the caller
  /// owns it. A body that breaks off is changed as far as it can be read.
  static ByteBuf of(ByteBuf body, String model) {
    byte[] value = Json.bytes(model);
    ByteBuf out = Unpooled.buffer(body.readableBytes() + value.length);
    int from = body.readerIndex();
    int done = from;
    try (JsonParser p =
        FACTORY.createParser((InputStream) new ByteBufInputStream(body.duplicate()))) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean isModel = p.currentName().equals("model");
        JsonToken t = p.nextToken();
        if (isModel && t == JsonToken.VALUE_STRING) {
          int start = from + (int) p.currentTokenLocation().getByteOffset();
          p.finishToken();
          out.writeBytes(body, done, start - done).writeBytes(value);
          done = from + (int) p.currentLocation().getByteOffset();
        } else {
          p.skipChildren();
        }
      }
    } catch (IOException brokenOff) {
      // the rest goes on as it came
    }
    return out.writeBytes(body, done, body.writerIndex() - done);
  }
}
