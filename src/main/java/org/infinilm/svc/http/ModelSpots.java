package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import org.infinilm.svc.http.JsonString.Treatment;
import org.jspecify.annotations.Nullable;

/// Finds where the strings stand that a JSON object's top-level `model` has, and the `model` of one
/// object inside where asked for, by the grammar by which [JsonPeek] reads it. Not thread-safe.
final class ModelSpots extends JsonScanner implements BodyPeek.Sink {
  private static final int TOP = 0;
  private static final int NAMED = 1;
  private static final int INSIDE = 2;
  private static final byte[] MODEL = "model".getBytes(UTF_8);

  /// Times that a body may name its model, always the same: each is a place that is kept.
  static final int MOST = 16;

  static final String TOO_OFTEN = "model: given more than " + MOST + " times (expected: once)";

  /// Hears of each value as it ends: its first byte and the one behind it, quotes included, counted
  /// from the first byte that was fed.
  interface Found {
    void at(long from, long to);
  }

  private final byte @Nullable [] named;
  private final Found found;
  private boolean isModel;
  private boolean isNamed;
  private boolean open;

  ModelSpots(Found found) {
    this(null, found);
  }

  /// @param named the top-level key whose object's own `model` counts too, or null
  ModelSpots(@Nullable String named, Found found) {
    super(false, Blocks.By.FASTER);
    this.named = named == null ? null : named.getBytes(UTF_8);
    this.found = found;
  }

  /// Where a value begins whose end has not come, -1 when there is none.
  long openFrom() {
    return open && wantsMore() ? stringFrom() : -1;
  }

  @Override
  int topFrame() {
    return TOP;
  }

  @Override
  Treatment key() {
    isModel = false;
    isNamed = false;
    return frame() == INSIDE ? Treatment.SKIP : Treatment.KEEP;
  }

  @Override
  void keyEnded() {
    isModel = is(MODEL);
    byte[] n = named;
    isNamed = n != null && frame() == TOP && is(n);
  }

  private boolean is(byte[] key) {
    int from = text.keptFrom();
    int n = text.keptBytes();
    return n == key.length && Arrays.equals(text.kept(), from, from + n, key, 0, n);
  }

  @Override
  Treatment string() {
    open = isModel && frame() != INSIDE;
    return open ? Treatment.KEEP : Treatment.SKIP;
  }

  @Override
  void stringEnded() {
    open = false;
    found.at(stringFrom(), stringTo());
  }

  @Override
  void scalar(Scalar what) {}

  @Override
  int begins(boolean object) {
    return object && isNamed && frame() == TOP ? NAMED : INSIDE;
  }

  @Override
  public BodyPeek.Peeked peeked(long bytes) {
    throw new UnsupportedOperationException("finds places only");
  }
}
