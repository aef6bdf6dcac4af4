package org.infinilm.svc.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import io.netty.buffer.ByteBufOutputStream;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Puts another model into a body, for aliases: a JSON object's top-level `model`, or the field of
/// multipart/form-data; every other byte stays as it came. Stateless; on event loops.
public final class ModelRewrite {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxNestingDepth(2000)
                  .build())
          .build();

  private ModelRewrite() {}

  /// Bytes of a body, from its start.
  record Range(int from, int to) {}

  /// A new body.
  ///
  /// @param body the receiver owns it
  /// @param decoded whether its Content-Encoding was undone on the way
  public record Rewritten(ByteBuf body, boolean decoded) {}

  /// A copy of `body` with `model` wherever it named one. A body that breaks off is changed as far
  /// as it can be read.
  ///
  /// @param contentType the field's value, or null
  /// @param contentEncoding the field's value, or null
  public static Rewritten of(
      ByteBuf body, @Nullable String contentType, @Nullable String contentEncoding, String model) {
    String coding = ContentCoding.of(contentEncoding);
    if (coding == null || coding.equals(ContentCoding.IDENTITY)) {
      return new Rewritten(of(body, contentType, model), false);
    }
    ByteBuf plain = Unpooled.buffer(body.readableBytes() * 2);
    try (InputStream in =
            ContentCoding.open(coding, new ByteBufInputStream(body.duplicate(), false));
        ByteBufOutputStream out = new ByteBufOutputStream(plain)) {
      in.transferTo(out);
      return new Rewritten(of(plain, contentType, model), true);
    } catch (IOException | RuntimeException brokenCoding) {
      return new Rewritten(body.copy(), false);
    } finally {
      plain.release();
    }
  }

  private static ByteBuf of(ByteBuf body, @Nullable String contentType, String model) {
    byte[] boundary = contentType == null ? null : MultipartModel.boundary(contentType);
    return boundary == null
        ? replaced(body, json(body), Json.bytes(model))
        : replaced(body, multipart(body, boundary), model.getBytes(StandardCharsets.UTF_8));
  }

  private static List<Range> json(ByteBuf body) {
    List<Range> found = new ArrayList<>(1);
    try (JsonParser p =
        FACTORY.createParser((InputStream) new ByteBufInputStream(body.duplicate()))) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean isModel = p.currentName().equals("model");
        JsonToken t = p.nextToken();
        if (isModel && t == JsonToken.VALUE_STRING) {
          int from = (int) p.currentTokenLocation().getByteOffset();
          p.finishToken();
          found.add(new Range(from, (int) p.currentLocation().getByteOffset()));
        } else {
          p.skipChildren();
        }
      }
    } catch (IOException brokenOff) {
      // the rest goes on as it came
    }
    return found;
  }

  private static List<Range> multipart(ByteBuf body, byte[] boundary) {
    MultipartModel form = new MultipartModel(boundary);
    byte[] all = new byte[body.readableBytes()];
    body.getBytes(body.readerIndex(), all);
    form.feed(all, 0, all.length);
    return form.values();
  }

  private static ByteBuf replaced(ByteBuf body, List<Range> ranges, byte[] value) {
    int start = body.readerIndex();
    int n = body.readableBytes();
    ByteBuf out = Unpooled.buffer(n + ranges.size() * value.length);
    int done = 0;
    for (Range r : ranges) {
      out.writeBytes(body, start + done, r.from() - done).writeBytes(value);
      done = r.to();
    }
    return out.writeBytes(body, start + done, n - done);
  }
}
