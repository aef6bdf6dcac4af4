package org.infinilm.svc.discovery;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.files.Patience;
import org.infinilm.svc.files.Seen;
import org.infinilm.svc.files.Stamp;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Instances of the files `*.toml` and `*.json` of a folder, each in the words of `[[instance]]` of
/// the router's file; followed by looking.
/*
 * A file counts as changed when its time, size or identity has and it lists something else, and is read once it has
 * said the same for a look, or for eight where it is the file that was read and has something else in it, or takes
 * somebody out: one that is written in place is not read in the middle. One that is replaced again and again and says
 * something else each time is whole each time: after eight looks what it lists counts, and who is missing in more
 * than eight of them in a row is out. One that is written in place so cannot be told from a half one, and is named. A
 * file that is gone is so at two looks, and all of them when nothing has been there for five seconds: a folder whose
 * volume is away is an empty one. Looking, and no notices of the kernel: those do not come from network file systems, nor for what a link leads to, and both is how
 * such folders are mounted into containers. A file that cannot be used says what it said before, and so does one
 * that cannot be looked at: gone is only what has no name in the folder. The former is read again every five seconds:
 * why may lie in another file that it names.
 */
final class FolderSource extends Follower {
  static final Duration LOOK = Duration.ofMillis(250);
  static final int MOST_FILES = 1000;
  static final int MOST_BYTES = 1 << 20;
  private static final int MOST_VALUES = 100_000;

  /// Looks for which a file that is written in place stands still: who writes it may pause.
  static final int STILL_IN_PLACE = (int) Patience.STILL_IN_PLACE.dividedBy(LOOK);

  /// Looks after which a file is named that changes all the while and is not read.
  static final int LATE = (int) Patience.LATE.dividedBy(LOOK);

  /// Looks after which a file that could not be used is read again.
  static final int AGAIN = (int) Patience.AGAIN.dividedBy(LOOK);

  /// Looks at which a file is gone that is.
  private static final int ONE_GONE = 2;

  private static final int ALL_GONE = (int) Duration.ofSeconds(5).dividedBy(LOOK);

  /// What a look at a name finds: a file's stamp, or why it cannot be looked at; neither where
  /// there is no file.
  private record Sight(@Nullable Stamp stamp, @Nullable String wrong) {
    private static final Sight NO_FILE = new Sight(null, null);

    static Sight of(Path file) {
      try {
        BasicFileAttributes a = Files.readAttributes(file, BasicFileAttributes.class);
        return a.isRegularFile() ? new Sight(Stamp.of(a), null) : NO_FILE;
      } catch (NoSuchFileException e) {
        return Files.isSymbolicLink(file)
            ? new Sight(null, file + ": leads nowhere (expected: a link to a file)")
            : NO_FILE;
      } catch (AccessDeniedException e) {
        return new Sight(
            null, file + ": cannot be looked at (expected: a folder that can be searched)");
      } catch (IOException e) {
        return new Sight(null, file + ": cannot be looked at: " + e.getMessage());
      }
    }
  }

  /// What a file says.
  ///
  /// @param wrong why it cannot be used; null when it can
  private record Said(List<Found> found, @Nullable String wrong) {
    boolean isSame(@Nullable Said other) {
      if (other == null || found.size() != other.found.size()) {
        return false;
      }
      for (int k = 0; k < found.size(); k++) {
        Found mine = found.get(k);
        Found theirs = other.found.get(k);
        if (!mine.url().equals(theirs.url()) || !mine.options().equals(theirs.options())) {
          return false;
        }
      }
      return Objects.equals(wrong, other.wrong);
    }
  }

  /// One file of the folder.
  private static final class Listing {
    @Nullable Stamp read;
    @Nullable Said believed;
    List<Found> found = List.of();
    @Nullable String trouble;
    int absent;

    /// At the last look.
    @Nullable Seen<Said> seen;

    /// Looks since it was read and could not be used.
    int refused;

    /// Looks for which it has said the same.
    int still;

    /// Looks since what it says is not what is believed.
    int looks;

    /// The same, or since some of it was believed.
    int late;

    /// How often it was another writing, and how often of these another file.
    int written;

    int replaced;

    /// Looks at which somebody was missing, the last ones in a row.
    final Map<String, Integer> missing = new HashMap<>();

    /// @param certain whether who is missing is gone
    /// @return whether what it lists may be something else
    boolean believe(Seen<Said> now, boolean certain) {
      Said all = now.says();
      trouble = all.wrong();
      late = 0;
      refused = 0;
      List<Found> kept = certain || trouble != null ? List.of() : kept();
      if (trouble == null) {
        found = Stream.concat(all.found().stream(), kept.stream()).toList();
      }
      if (kept.isEmpty()) {
        read = now.stamp();
        believed = all;
        settle();
      } else {
        believed = null;
      }
      return trouble == null;
    }

    void settle() {
      still = 0;
      looks = 0;
      late = 0;
      written = 0;
      replaced = 0;
      missing.clear();
    }

    /// Whether what was read could not be used, for what may lie outside of it: in a file that it
    /// names, or in who may read it.
    boolean isToBeReadAgain() {
      return trouble != null && ++refused >= AGAIN;
    }

    /// Whether it is renamed into place again and again: it is mostly another file, although that
    /// may have the inode of the one before the last, and not one that is made and then written.
    boolean isReplacedAgainAndAgain() {
      return looks > STILL_IN_PLACE && replaced > 1 && 3 * replaced >= 2 * written;
    }

    void look(Stamp now, Seen<Said> next) {
      Said all = next.says();
      Stamp before = seen == null ? null : seen.stamp();
      if (before != null && !now.equals(before)) {
        written++;
        replaced += now.identity() == null || now.isWrittenInPlace(before) ? 0 : 1;
      }
      still = seen != null && all.isSame(seen.says()) ? still + 1 : 0;
      looks++;
      late++;
      seen = next;
      if (all.wrong() != null) {
        missing.clear();
        return;
      }
      Set<String> listed = urls(all.found());
      missing.keySet().removeAll(listed);
      for (String url : urls(found)) {
        if (!listed.contains(url)) {
          missing.merge(url, 1, Integer::sum);
        }
      }
    }

    /// Who is missing, but not for long enough to be gone.
    private List<Found> kept() {
      return found.stream()
          .filter(f -> missing.getOrDefault(f.url(), STILL_IN_PLACE + 1) <= STILL_IN_PLACE)
          .toList();
    }
  }

  private final Path folder;
  private final Check check;
  private final Names names;
  private final Map<Path, Listing> files = new TreeMap<>();
  private boolean heard;

  /// What names a folder has; may also fail while they are read.
  interface Names {
    Stream<Path> of(Path folder) throws IOException;
  }

  FolderSource(SourceSpec.Folder spec, Check check) {
    this(spec, check, Files::list);
  }

  FolderSource(SourceSpec.Folder spec, Check check, Names names) {
    super(spec.text());
    this.names = names;
    this.folder = spec.path();
    this.check = check;
  }

  @Override
  Duration step(Listener listener) {
    List<String> troubles = new ArrayList<>();
    boolean news = !heard;
    try {
      news |= look(troubles);
      heard = true;
    } catch (IOException | UncheckedIOException e) {
      troubles.add(
          folder
              + (Files.exists(folder)
                  ? ": cannot be read: " + e.getMessage()
                  : ": no such folder"));
      news = false;
    }
    List<Found> all = new ArrayList<>();
    for (Map.Entry<Path, Listing> e : files.entrySet()) {
      Listing f = e.getValue();
      if (f.late > LATE) {
        troubles.add(e.getKey() + Patience.CHANGES);
      }
      if (f.trouble != null) {
        troubles.add(f.trouble);
      }
      all.addAll(f.found);
    }
    if (all.size() > MOST) {
      troubles.add(
          folder
              + ": "
              + all.size()
              + " instances (expected: at most "
              + MOST
              + "); the rest is left out");
      all = all.subList(0, MOST);
    }
    if (news) {
      listener.found(all);
    }
    listener.troubles(troubles);
    return LOOK;
  }

  /// Looks at all files.
  ///
  /// @return whether what they list may be something else
  private boolean look(List<String> troubles) throws IOException {
    List<Path> there;
    try (Stream<Path> all = names.of(folder)) {
      there = all.filter(FolderSource::isListing).sorted().toList();
    }
    if (there.size() > MOST_FILES) {
      troubles.add(
          folder
              + ": "
              + there.size()
              + " files (expected: at most "
              + MOST_FILES
              + "); the rest is left out");
      there = there.subList(0, MOST_FILES);
    }
    boolean news = false;
    Set<Path> present = new HashSet<>();
    for (Path file : there) {
      Sight s = Sight.of(file);
      if (s.stamp() != null) {
        news |= look(file, s.stamp(), files.computeIfAbsent(file, f -> new Listing()));
      } else if (s.wrong() != null) {
        troubles.add(s.wrong());
      } else {
        continue;
      }
      present.add(file);
    }
    int looks = present.isEmpty() ? ALL_GONE : ONE_GONE;
    boolean left =
        files
            .entrySet()
            .removeIf(e -> !present.contains(e.getKey()) && ++e.getValue().absent >= looks);
    return news || left;
  }

  private static boolean isListing(Path file) {
    String name = String.valueOf(file.getFileName());
    return !name.startsWith(".") && (name.endsWith(".toml") || name.endsWith(".json"));
  }

  private boolean look(Path path, Stamp now, Listing f) {
    f.absent = 0;
    boolean isRead = now.equals(f.read);
    if (isRead && !f.isToBeReadAgain()) {
      f.settle();
      return false;
    }
    boolean first = f.read == null && !heard;
    Seen<Said> next =
        Seen.of(now, isRead && f.looks == 0 ? null : f.seen, () -> said(path, now.bytes()));
    Said all = next.says();
    if (all.isSame(f.believed)) {
      f.settle();
      f.refused = 0;
      f.seen = next;
      if (next.sure()) {
        f.read = now;
      }
      return false;
    }
    f.look(now, next);
    boolean stands =
        f.still > 0 && next.sure() && !now.isWrittenInPlace(f.read) && f.missing.isEmpty();
    boolean certain = first || stands || f.still >= STILL_IN_PLACE;
    return (certain || f.isReplacedAgainAndAgain()) && f.believe(next, certain);
  }

  private Said said(Path path, long bytes) {
    try {
      return new Said(read(path, bytes), null);
    } catch (ConfigException e) {
      return new Said(List.of(), String.valueOf(e.getMessage()).replace("\n", "; "));
    }
  }

  private static Set<String> urls(List<Found> of) {
    return of.stream().map(Found::url).collect(Collectors.toSet());
  }

  private List<Found> read(Path path, long bytes) throws ConfigException {
    if (bytes == 0) {
      throw new ConfigException(path + ":1: empty (expected: instances, or a comment)");
    }
    if (bytes > MOST_BYTES) {
      throw new ConfigException(
          path + ": " + bytes + " bytes (expected: at most " + MOST_BYTES + ")");
    }
    List<Found> all = path.toString().endsWith(".toml") ? toml(path) : json(path);
    List<Found> out = new ArrayList<>();
    for (Found f : all) {
      check.check(f);
      // without the document, which its place is looked for in
      out.add(new Found(f.url(), f.options(), option -> path.toString()));
    }
    return List.copyOf(out);
  }

  private static List<Found> toml(Path path) throws ConfigException {
    TomlFile file = TomlFile.read(path);
    file.allow(List.of("instance"));
    List<Found> out = new ArrayList<>();
    for (TomlFile t : file.tables("instance")) {
      Map<String, String> options = new HashMap<>();
      for (String key : t.keys()) {
        String value = t.scalar(key);
        options.put(key, value == null ? "" : value);
      }
      String url = options.remove("url");
      if (url == null) {
        throw noUrl(t.place());
      }
      out.add(new Found(url, options, t::place));
    }
    return out;
  }

  private static List<Found> json(Path path) throws ConfigException {
    byte[] document;
    try {
      document = Files.readAllBytes(path);
    } catch (IOException e) {
      throw new ConfigException(path + ": cannot be read: " + e.getMessage());
    }
    JsonNode root = tree(path, document);
    String pointer = root.isObject() ? "/instance" : "";
    JsonNode list = root.at(pointer);
    if (!list.isArray() || (root.isObject() && root.size() != 1)) {
      throw new ConfigException(
          path + ":1: no list of instances (expected: {\"instance\": [...]} or [...])");
    }
    List<Found> out = new ArrayList<>();
    for (int k = 0; k < list.size(); k++) {
      String here = pointer + "/" + k;
      JsonNode one = list.get(k);
      if (!one.isObject()) {
        throw new ConfigException(
            place(path, document, here) + ": " + shown(one) + " (expected: an object)");
      }
      Map<String, String> options = new HashMap<>();
      for (Map.Entry<String, JsonNode> e : one.properties()) {
        JsonNode v = e.getValue();
        if (!v.isTextual() && !v.isIntegralNumber()) {
          throw new ConfigException(
              place(path, document, here + "/" + e.getKey())
                  + ": "
                  + e.getKey()
                  + ": "
                  + shown(v)
                  + " (expected: a text or a whole number)");
        }
        options.put(e.getKey(), v.asText());
      }
      String url = options.remove("url");
      if (url == null) {
        throw noUrl(place(path, document, here));
      }
      out.add(new Found(url, options, option -> place(path, document, here + "/" + option)));
    }
    return out;
  }

  private static JsonNode tree(Path path, byte[] document) throws ConfigException {
    if (Json.isLargerThan(MOST_VALUES, document)) {
      throw new ConfigException(path + ": more than " + MOST_VALUES + " values (expected: fewer)");
    }
    try {
      return Json.tree(document);
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new ConfigException(path + ":" + line + ": " + Json.wrong(e));
    }
  }

  private static ConfigException noUrl(String place) {
    return new ConfigException(
        place + ": an instance without its url (expected: url = \"http://host:port\")");
  }

  private static String place(Path path, byte[] document, String pointer) {
    return path + ":" + Json.line(document, pointer);
  }

  private static String shown(JsonNode n) {
    String s = n.toString();
    return s.length() > 80 ? s.substring(0, 80) + "..." : s;
  }
}
