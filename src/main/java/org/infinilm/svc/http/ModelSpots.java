package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.infinilm.svc.http.JsonString.Treatment;
import org.infinilm.svc.http.ModelRewrite.Range;

/// Finds where the strings stand that a JSON object's top-level `model` has, by the grammar by
/// which [JsonPeek] reads it. Not thread-safe.
/*
 * A scanner does not tell where it stands. So two of them go over the document, one a step ahead of
 * the other: what the first met something in, the second reads byte by byte.
 */
final class ModelSpots implements BodyPeek.Sink {
  private static final int STEP_BYTES = 256;
  private static final byte[] MODEL = "model".getBytes(UTF_8);

  private final Finder ahead = new Finder();
  private final Finder behind = new Finder();
  private final List<Range> found = new ArrayList<>(1);
  private int position;
  private int from;

  /// The values, quotes included, from the first byte that was fed.
  List<Range> values() {
    return List.copyOf(found);
  }

  @Override
  public boolean wantsMore() {
    return ahead.wantsMore();
  }

  @Override
  public void feed(byte[] b, int begin, int end) {
    for (int i = begin; i < end && ahead.wantsMore(); i += STEP_BYTES) {
      int to = Math.min(end, i + STEP_BYTES);
      ahead.feed(b, i, to);
      if (ahead.met()) {
        byByte(b, i, to);
      } else {
        behind.feed(b, i, to);
      }
      position += to - i;
    }
  }

  private void byByte(byte[] b, int begin, int end) {
    for (int i = begin; i < end; i++) {
      behind.feed(b, i, i + 1);
      int at = position + i - begin;
      if (behind.begun) {
        from = at;
      }
      if (behind.ended) {
        found.add(new Range(from, at + 1));
      }
      behind.met();
    }
  }

  @Override
  public BodyPeek.Peeked peeked(long bytes) {
    throw new UnsupportedOperationException("finds places only");
  }

  /// Notes when a value begins and ends.
  private static final class Finder extends JsonScanner {
    private static final int TOP = 0;
    private static final int INSIDE = 1;

    boolean begun;
    boolean ended;
    private boolean isModel;

    Finder() {
      super(false);
    }

    /// Whether anything was met since this was asked last.
    boolean met() {
      boolean any = begun || ended;
      begun = false;
      ended = false;
      return any;
    }

    @Override
    int topFrame() {
      return TOP;
    }

    @Override
    Treatment key() {
      isModel = false;
      return frame() == TOP ? Treatment.KEEP : Treatment.SKIP;
    }

    @Override
    void keyEnded() {
      isModel =
          text.keptBytes() == MODEL.length
              && Arrays.equals(text.kept(), 0, MODEL.length, MODEL, 0, MODEL.length);
    }

    @Override
    Treatment string() {
      boolean wanted = isModel && frame() == TOP;
      begun |= wanted;
      return wanted ? Treatment.KEEP : Treatment.SKIP;
    }

    @Override
    void stringEnded() {
      ended = true;
    }

    @Override
    void scalar(Scalar what) {}

    @Override
    int begins(boolean object) {
      return INSIDE;
    }
  }
}
