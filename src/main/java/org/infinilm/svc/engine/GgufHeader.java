package org.infinilm.svc.engine;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// What stands before the weights of a GGUF file: metadata and the list of tensors, little-endian,
/// versions 2 and 3 (the format is described in ggml's docs/gguf.md). Reading it checks every count
/// and length against the file, so that a damaged file ends in a message and not in native code.
/// Immutable.
///
/// Texts have one character a byte: what is not UTF-8 stays what it is.
///
/// @param values metadata: a `String`, a `Double` or `Long`, a `Boolean`, or an [Items]
/// @param dataBytes bytes behind the header, from the first aligned place on
record GgufHeader(
    Map<String, Object> values, List<Tensor> tensors, long alignment, long dataBytes) {
  /// A list in the metadata.
  ///
  /// @param texts its strings; null when it is one of numbers
  /// @param numbers its numbers, as doubles; null when it is one of strings
  record Items(int type, @Nullable List<String> texts, double @Nullable [] numbers) {
    int count() {
      return texts != null ? texts.size() : numbers != null ? numbers.length : 0;
    }
  }

  /// One tensor.
  ///
  /// @param shape from the innermost dimension on
  /// @param offset from the beginning of the data
  record Tensor(String name, List<Long> shape, int type, long offset) {
    long elements() {
      long n = 1;
      for (long d : shape) {
        n = Math.multiplyExact(n, d);
      }
      return n;
    }
  }

  private static final int LEAST_VERSION = 2;
  private static final int MOST_VERSION = 3;
  private static final int MOST_VALUES = 10_000;
  private static final int MOST_TENSORS = 100_000;
  private static final int MOST_ITEMS = 8_000_000;
  private static final int MOST_NAME_BYTES = 63;
  private static final int MOST_DIMENSIONS = 4;
  private static final int STRING = 8;
  private static final int ARRAY = 9;
  private static final long DEFAULT_ALIGNMENT = 32;

  GgufHeader {
    values = Map.copyOf(values);
    tensors = List.copyOf(tensors);
  }

  /// @throws EngineException when it is no whole header of a known version
  static GgufHeader read(Path file) throws EngineException {
    try (InputStream in = Files.newInputStream(file)) {
      return new Reader(file, in, Files.size(file)).header();
    } catch (EOFException e) {
      throw new EngineException(file + ": ends within its header (expected: a whole GGUF file)");
    } catch (IOException e) {
      throw new EngineException(file + " cannot be read: " + e.getMessage());
    }
  }

  /// A text; empty when it is missing or no text.
  Optional<String> text(String key) {
    return values.get(key) instanceof String s ? Optional.of(s) : Optional.empty();
  }

  /// `general.architecture`.
  String architecture() {
    return text("general.architecture").orElse("");
  }

  /// A number under the architecture's name; null when it is missing or no whole number.
  @Nullable Long number(String key) {
    return whole(values.get(architecture() + "." + key));
  }

  static @Nullable Long whole(@Nullable Object value) {
    return value instanceof Long l ? l : null;
  }

  /// A number that may differ by layer: the largest one; null when it is missing.
  @Nullable Long most(String key) {
    Object value = values.get(architecture() + "." + key);
    return value instanceof Items items && items.numbers() != null
        ? (Long) (long) Arrays.stream(items.numbers()).max().orElse(0)
        : whole(value);
  }

  Optional<Items> items(String key) {
    return values.get(key) instanceof Items i ? Optional.of(i) : Optional.empty();
  }

  /// Values that a token keeps per layer for its keys, as many again for its values; the mean where
  /// the two differ. Empty when the file does not say how wide a head is.
  OptionalInt keyWidth() {
    Long key = number("attention.key_length");
    Long value = number("attention.value_length");
    Long heads = most("attention.head_count_kv");
    heads = heads == null ? most("attention.head_count") : heads;
    if (key == null || heads == null) {
      return OptionalInt.empty();
    }
    long both = key + (value == null ? key : value);
    return OptionalInt.of(Math.toIntExact(Math.ceilDiv(both, 2L) * heads));
  }

  /// Reads one file.
  private static final class Reader {
    private final Path file;
    private final DataInputStream in;
    private final long size;
    private long at;

    Reader(Path file, InputStream in, long size) {
      this.file = file;
      this.in = new DataInputStream(new BufferedInputStream(in, 1 << 16));
      this.size = size;
    }

    GgufHeader header() throws IOException, EngineException {
      int magic = (int) word();
      int version = (int) word();
      if (magic != 0x46554747 || version < LEAST_VERSION || version > MOST_VERSION) {
        throw wrong("version " + version, "GGUF of version 2 or 3, little-endian");
      }
      int tensorCount = count("tensors", MOST_TENSORS);
      int valueCount = count("metadata values", MOST_VALUES);
      Map<String, Object> values = new LinkedHashMap<>();
      for (int i = 0; i < valueCount; i++) {
        String key = text();
        Object value = value((int) word());
        if (values.putIfAbsent(key, value) != null) {
          throw wrong("two values " + shown(key), "one");
        }
      }
      List<Tensor> tensors = new ArrayList<>();
      for (int i = 0; i < tensorCount; i++) {
        tensors.add(tensor());
      }
      Long given = whole(values.get("general.alignment"));
      long alignment = given == null ? DEFAULT_ALIGNMENT : given;
      if (alignment < 8 || alignment > 1 << 20 || Long.bitCount(alignment) != 1) {
        throw wrong("general.alignment " + alignment, "a power of two, 8..1048576");
      }
      long begin = Math.ceilDiv(at, alignment) * alignment;
      return new GgufHeader(values, tensors, alignment, Math.max(0, size - begin));
    }

    private Tensor tensor() throws IOException, EngineException {
      String name = text();
      if (name.isEmpty() || name.length() > MOST_NAME_BYTES) {
        throw wrong("a tensor named " + shown(name), "a name of 1..63 bytes");
      }
      long dimensions = word();
      if (dimensions < 1 || dimensions > MOST_DIMENSIONS) {
        throw wrong(shown(name) + " of " + dimensions + " dimensions", "1..4");
      }
      List<Long> shape = new ArrayList<>();
      for (int d = 0; d < dimensions; d++) {
        long n = wide();
        if (n < 1) {
          throw wrong(shown(name) + " with a dimension of " + n, "1 or more");
        }
        shape.add(n);
      }
      int type = (int) word();
      return new Tensor(name, List.copyOf(shape), type, wide());
    }

    private Object value(int type) throws IOException, EngineException {
      if (type == STRING) {
        return text();
      }
      if (type != ARRAY) {
        return number(type);
      }
      int of = (int) word();
      int n = count("items of a list", MOST_ITEMS);
      if (of == STRING) {
        List<String> texts = new ArrayList<>(Math.min(n, 1 << 16));
        for (int i = 0; i < n; i++) {
          texts.add(text());
        }
        return new Items(of, List.copyOf(texts), null);
      }
      room(n);
      double[] numbers = new double[n];
      for (int i = 0; i < n; i++) {
        Object one = number(of);
        numbers[i] = one instanceof Boolean b ? (b ? 1 : 0) : ((Number) one).doubleValue();
      }
      return new Items(of, null, numbers);
    }

    private Object number(int type) throws IOException, EngineException {
      return switch (type) {
        case 0 -> (Object) (long) octet();
        case 1 -> (Object) (long) (byte) octet();
        case 2 -> (Object) (long) (octet() | octet() << 8);
        case 3 -> (Object) (long) (short) (octet() | octet() << 8);
        case 4 -> (Object) word();
        case 5 -> (Object) (long) (int) word();
        case 6 -> (Object) (double) Float.intBitsToFloat((int) word());
        case 7 -> (Object) (octet() != 0);
        case 10, 11 -> (Object) wide();
        case 12 -> (Object) Double.longBitsToDouble(wide());
        default -> throw wrong("a value of type " + type, "types 0..12, no list of lists");
      };
    }

    private int count(String what, int most) throws IOException, EngineException {
      long n = wide();
      if (n < 0 || n > most) {
        throw wrong(Long.toUnsignedString(n) + " " + what, "at most " + most);
      }
      return (int) n;
    }

    private String text() throws IOException, EngineException {
      long n = wide();
      room(n);
      byte[] bytes = new byte[(int) n];
      in.readFully(bytes);
      at += n;
      return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /// What is to be read must be there, before memory is taken for it.
    private void room(long bytes) throws EngineException {
      if (bytes < 0 || bytes > size - at || bytes > Integer.MAX_VALUE - 8) {
        throw wrong(
            "a text or list of " + Long.toUnsignedString(bytes) + " bytes",
            "at most the " + (size - at) + " that follow");
      }
    }

    private int octet() throws IOException {
      at++;
      return in.readUnsignedByte();
    }

    private long word() throws IOException {
      at += 4;
      return Integer.toUnsignedLong(Integer.reverseBytes(in.readInt()));
    }

    private long wide() throws IOException {
      at += 8;
      return Long.reverseBytes(in.readLong());
    }

    private EngineException wrong(String seen, String expected) {
      return new EngineException(
          file + ": damaged or no GGUF model: " + seen + " (expected: " + expected + ")");
    }

    private static String shown(String text) {
      String clean = text.replaceAll("[^\\x20-\\x7e]", "?");
      return clean.length() > 64 ? clean.substring(0, 64) + "..." : clean;
    }
  }
}
