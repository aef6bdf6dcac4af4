package org.infinilm.svc.comparison;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.infinilm.svc.comparison.CompareKind.Seat;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultFile.Unusable;

/// Reads the files of a comparison and puts each on its side.
///
/// @param sides in the order of the kind, the baseline first
/// @param warnings what a reader of the report must know about the files
public record CompareInputs(CompareKind kind, List<Side> sides, List<String> warnings) {

  /// The files cannot be compared; the message says what was expected.
  public static final class Nothing extends Exception {
    Nothing(String message) {
      super(message);
    }
  }

  /// What the command line asked for.
  ///
  /// @param kind empty: told from the files
  /// @param named files of a side given by its flag, side key to paths or patterns
  /// @param folder where to look for files by itself
  /// @param force compare different workloads too
  record Wish(
      Optional<CompareKind> kind,
      Map<String, List<String>> named,
      List<String> positionals,
      Optional<Path> folder,
      boolean force) {}

  static CompareInputs read(Wish wish) throws Unusable, Nothing {
    List<String> warnings = new ArrayList<>();
    Map<String, List<ResultFile>> named = new LinkedHashMap<>();
    for (Map.Entry<String, List<String>> e : wish.named().entrySet()) {
      for (String pattern : e.getValue()) {
        for (Path p : expand(pattern)) {
          named.computeIfAbsent(e.getKey(), k -> new ArrayList<>()).add(ResultFile.read(p));
        }
      }
    }
    List<ResultFile> loose = new ArrayList<>();
    for (String pattern : wish.positionals()) {
      for (Path p : expand(pattern)) {
        loose.add(ResultFile.read(p));
      }
    }
    if (wish.folder().isPresent()) {
      loose.addAll(inFolder(wish.folder().get(), wish.kind(), warnings));
    }
    return assemble(wish, named, loose, warnings);
  }

  /// Files that were read already, each told by its name or label.
  public static CompareInputs of(List<ResultFile> files, boolean force) throws Nothing {
    Wish wish = new Wish(Optional.empty(), Map.of(), List.of(), Optional.empty(), force);
    return assemble(wish, Map.of(), files, new ArrayList<>());
  }

  private static CompareInputs assemble(
      Wish wish, Map<String, List<ResultFile>> named, List<ResultFile> loose, List<String> warnings)
      throws Nothing {
    CompareKind kind = kind(wish, named, loose);
    List<Side> sides =
        kind == CompareKind.RUNS ? twoRuns(loose) : seated(kind, named, loose, warnings);
    for (Side side : sides) {
      for (ResultFile f : side.runs()) {
        warnings.addAll(remarks(f));
      }
    }
    check(sides, wish.force(), warnings);
    sides.forEach(s -> warnings.addAll(s.doubts()));
    for (int later = 1; later < sides.size(); later++) {
      for (Side earlier : sides.subList(0, later)) {
        Side.otherWork(earlier, sides.get(later)).ifPresent(warnings::add);
      }
    }
    return new CompareInputs(kind, sides, warnings);
  }

  private static CompareKind kind(
      Wish wish, Map<String, List<ResultFile>> named, List<ResultFile> loose) throws Nothing {
    if (wish.kind().isPresent()) {
      return wish.kind().get();
    }
    for (CompareKind k : CompareKind.values()) {
      if (!named.isEmpty()
          && k.seats().stream().map(Seat::key).toList().containsAll(named.keySet())) {
        return k;
      }
    }
    if (!named.isEmpty()) {
      throw new Nothing(
          String.join(" and ", named.keySet().stream().map(n -> "--" + n).toList())
              + ": not sides of one comparison (expected: "
              + flags(CompareKind.CACHE_TYPES)
              + "; or "
              + flags(CompareKind.STRATEGIES)
              + "; or "
              + flags(CompareKind.CACHE_ROUTING)
              + ")");
    }
    if (wish.folder().isPresent()) {
      return CompareKind.CACHE_TYPES;
    }
    for (CompareKind k : CompareKind.values()) {
      if (!loose.isEmpty() && loose.stream().allMatch(f -> k.seatOf(f).isPresent())) {
        return k;
      }
    }
    boolean anyPagedOrStatic =
        loose.stream().anyMatch(f -> CompareKind.CACHE_TYPES.seatOf(f).isPresent());
    return loose.size() == 2 && !anyPagedOrStatic ? CompareKind.RUNS : CompareKind.CACHE_TYPES;
  }

  private static String flags(CompareKind kind) {
    return kind.seats().stream().map(s -> "--" + s.key()).collect(Collectors.joining(", "));
  }

  private static List<Side> twoRuns(List<ResultFile> loose) throws Nothing {
    if (loose.size() != 2) {
      throw new Nothing(loose.size() + " result files (expected: two, the baseline first)");
    }
    List<Side> out = new ArrayList<>();
    for (ResultFile f : loose) {
      String key = out.isEmpty() ? "first" : "second";
      out.add(new Side(key, f.label().isEmpty() ? f.name() : f.label(), key, List.of(f)));
    }
    return out;
  }

  private static List<Side> seated(
      CompareKind kind,
      Map<String, List<ResultFile>> named,
      List<ResultFile> loose,
      List<String> warnings)
      throws Nothing {
    Map<String, List<ResultFile>> files = new LinkedHashMap<>();
    named.forEach((key, list) -> files.computeIfAbsent(key, k -> new ArrayList<>()).addAll(list));
    boolean twoInOrder =
        kind == CompareKind.CACHE_ROUTING
            && files.isEmpty()
            && loose.size() == 2
            && loose.stream().allMatch(f -> kind.seatOf(f).isEmpty());
    for (ResultFile f : loose) {
      String key =
          twoInOrder
              ? (files.isEmpty() ? "roundrobin" : "cache-routing")
              : kind.seatOf(f).orElseThrow(() -> new Nothing(unseated(kind, f))).key();
      files.computeIfAbsent(key, k -> new ArrayList<>()).add(f);
    }
    List<Side> out = new ArrayList<>();
    for (Seat seat : kind.seats()) {
      List<ResultFile> runs = files.get(seat.key());
      if (runs != null) {
        out.add(new Side(seat.key(), seat.title(), seat.column(), repeats(runs, warnings)));
      }
    }
    if (out.size() < 2) {
      throw new Nothing(
          (out.isEmpty()
                  ? "no result file"
                  : "only result files of the " + out.getFirst().key() + " side")
              + " (expected: at least one file of two of these sides: "
              + kind.seats().stream().map(Seat::key).collect(Collectors.joining(", "))
              + "; by name, by "
              + flags(kind)
              + ", or with --auto-detect)");
    }
    return out;
  }

  private static String unseated(CompareKind kind, ResultFile f) {
    return f.path()
        + ": neither its name nor its label \""
        + f.label()
        + "\" says "
        + kind.seats().stream().map(Seat::key).collect(Collectors.joining(" or "))
        + " (expected: one of them; "
        + kind.seats().stream().map(s -> "--" + s.key() + " FILE").collect(Collectors.joining(", "))
        + " say it)";
  }

  /// The runs of the newest one's workload by seed and date, each once, without those that were
  /// late or interrupted, as long as one was not.
  private static List<ResultFile> repeats(List<ResultFile> runs, List<String> warnings) {
    List<ResultFile> sorted = new ArrayList<>(runs);
    sorted.sort(Comparator.comparing(ResultFile::date));
    ResultFile newest = sorted.getLast();
    List<ResultFile> out = new ArrayList<>();
    for (ResultFile f : sorted) {
      Optional<ResultFile> copy = out.stream().filter(f::sameRun).findFirst();
      if (copy.isPresent()) {
        warnings.add(
            f.path()
                + (f.path().equals(copy.get().path())
                    ? ": counted once, it is named more than once"
                    : ": left out, the same run as " + copy.get().path()));
        continue;
      }
      List<String> differences = CompareWorkload.differencesButDraw(f, newest);
      if (differences.isEmpty()) {
        out.add(f);
      } else {
        warnings.add(
            f.path()
                + ": left out, another workload than "
                + newest.path()
                + ": "
                + String.join("; ", differences));
      }
    }
    leaveOut(
        out,
        warnings,
        ResultFile::late,
        f ->
            String.format(
                Locale.ROOT, "its load generator was late by %.0f ms (p99)", f.sendLagP99Ms()));
    leaveOut(out, warnings, f -> !f.complete(), f -> "it was interrupted");
    out.sort(
        Comparator.comparing((ResultFile f) -> f.workload().getOrDefault("seed", ""))
            .thenComparing(ResultFile::date));
    return out;
  }

  /// Leaves out what is wanting, with a warning each, unless all are.
  private static void leaveOut(
      List<ResultFile> runs,
      List<String> warnings,
      Predicate<ResultFile> wanting,
      Function<ResultFile, String> why) {
    if (!runs.stream().allMatch(wanting)) {
      runs.stream()
          .filter(wanting)
          .forEach(f -> warnings.add(f.path() + ": left out, " + why.apply(f)));
      runs.removeIf(wanting);
    }
  }

  public static List<String> remarks(ResultFile f) {
    List<String> out = new ArrayList<>();
    if (!f.complete()) {
      out.add(
          f.path()
              + ": partial, the run was interrupted after "
              + (f.completed() + f.failed() + f.truncated())
              + " requests; its figures are of these");
    }
    if (f.late()) {
      out.add(
          String.format(
              Locale.ROOT,
              "%s: its load generator was late by %.0f ms (p99): the machine was busy, so the times may be of something else",
              f.path(),
              f.sendLagP99Ms()));
    }
    if (f.truncated() > 0) {
      out.add(
          f.path()
              + ": "
              + f.truncated()
              + " of "
              + (f.completed() + f.failed() + f.truncated())
              + " answers were cut off before the length asked for; they are in no figure");
    }
    if (f.failed() > 0) {
      out.add(
          f.path()
              + ": "
              + f.failed()
              + " of "
              + (f.completed() + f.failed() + f.truncated())
              + " requests failed; their times are in no figure");
    }
    return out;
  }

  private static void check(List<Side> sides, boolean force, List<String> warnings) throws Nothing {
    ResultFile base = sides.getFirst().newest();
    boolean unknown = false;
    for (Side side : sides.subList(1, sides.size())) {
      ResultFile other = side.newest();
      List<String> differences = CompareWorkload.differencesButDraw(base, other);
      if (!differences.isEmpty()) {
        String what =
            base.path()
                + " and "
                + other.path()
                + ": different workloads: "
                + String.join("; ", differences);
        if (!force) {
          throw new Nothing(what + " (expected: the same; --force compares them all the same)");
        }
        warnings.add(what);
      }
      unknown |= differences.isEmpty() && !CompareWorkload.known(base, other);
    }
    if (unknown) {
      warnings.add(
          "whether all sides had the same prompts cannot be known: a file without \"workload\""
              + " (vLLM's own, or an old one) does not say");
    }
  }

  /// The files that a pattern names; a plain path stands for itself.
  public static List<Path> expand(String pattern) throws Nothing {
    try {
      Path path = Path.of(pattern);
      Path last = path.getFileName();
      if (Files.exists(path) || last == null || !last.toString().matches(".*[*?\\[].*")) {
        return List.of(path);
      }
      Path folder = path.getParent() == null ? Path.of("") : path.getParent();
      List<Path> out = list(folder, last.toString());
      if (out.isEmpty()) {
        throw new Nothing(pattern + ": no such file (expected: a result JSON of a benchmark)");
      }
      return out;
    } catch (InvalidPathException e) {
      throw new Nothing(e.getInput() + ": " + e.getReason() + " (expected: a path)");
    } catch (IOException e) {
      throw new Nothing(pattern + ": no such file: " + ConfigException.reason(e));
    }
  }

  private static List<Path> list(Path folder, String glob) throws IOException {
    List<Path> out = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, glob)) {
      entries.forEach(out::add);
    }
    out.sort(Comparator.naturalOrder());
    return out;
  }

  /// Result files of a folder whose names tell their side; one that cannot be used is left out with
  /// a warning.
  private static List<ResultFile> inFolder(
      Path folder, Optional<CompareKind> asked, List<String> warnings) throws Nothing {
    CompareKind kind = asked.orElse(CompareKind.CACHE_TYPES);
    List<ResultFile> out = new ArrayList<>();
    List<Path> found;
    try {
      found = list(folder, "*.json");
    } catch (IOException e) {
      throw new Nothing(
          "--results-dir: "
              + folder
              + " (expected: a folder with result files): "
              + ConfigException.reason(e));
    }
    for (Path p : found) {
      if (kind.seatOf(String.valueOf(p.getFileName())).isEmpty()) {
        continue;
      }
      try {
        ResultFile f = ResultFile.read(p);
        if (f.completed() > 0) {
          out.add(f);
        } else {
          warnings.add(p + ": left out, no request completed");
        }
      } catch (Unusable e) {
        warnings.add("left out: " + e.getMessage());
      }
    }
    return out;
  }
}
