package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.infinilm.svc.http.JsonString.Treatment;
import org.infinilm.svc.http.ModelRewrite.Range;

/// Finds where the strings stand that a JSON object's top-level `model` has, by the grammar by
/// which [JsonPeek] reads it. Not thread-safe.
final class ModelSpots extends JsonScanner implements BodyPeek.Sink {
  private static final int TOP = 0;
  private static final int INSIDE = 1;
  private static final byte[] MODEL = "model".getBytes(UTF_8);

  private final List<Range> found = new ArrayList<>(1);
  private boolean isModel;

  ModelSpots() {
    super(false);
  }

  /// The values, quotes included, from the first byte that was fed.
  List<Range> values() {
    return List.copyOf(found);
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
    int from = text.keptFrom();
    int n = text.keptBytes();
    isModel =
        n == MODEL.length && Arrays.equals(text.kept(), from, from + n, MODEL, 0, MODEL.length);
  }

  @Override
  Treatment string() {
    return isModel && frame() == TOP ? Treatment.KEEP : Treatment.SKIP;
  }

  @Override
  void stringEnded() {
    found.add(new Range((int) stringFrom(), (int) stringTo()));
  }

  @Override
  void scalar(Scalar what) {}

  @Override
  int begins(boolean object) {
    return INSIDE;
  }

  @Override
  public BodyPeek.Peeked peeked(long bytes) {
    throw new UnsupportedOperationException("finds places only");
  }
}
