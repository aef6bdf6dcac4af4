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
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.InputFile;
import org.infinilm.svc.config.InputFile.Stamp;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Instances of the files `*.toml` and `*.json` of a folder, each in the words of `[[instance]]` of
/// the router's file; followed by looking.
/*
 * A file counts as changed when its time, size or identity has, and is read once it has stood still for a look, or
 * for eight where it is the file that was read and has something else in it, so that one that is written in place is
 * not read in the middle; one that is gone is so at two looks, and all of them when nothing has been there for five
 * seconds: a folder whose volume is away is an empty one. Looking, and no
 * notices of the kernel: those do not come from network file systems, nor for what a link leads to, and both is how
 * such folders are mounted into containers. A file that cannot be used says what it said before, and so does one
 * that cannot be looked at: gone is only what has no name in the folder.
 */
final class FolderSource extends Follower {
  static final Duration LOOK = Duration.ofMillis(250);
  static final int MOST_FILES = 1000;
  static final int MOST_BYTES = 1 << 20;
  private static final int MOST_VALUES = 100_000;

  /// Looks for which a file that is written in place stands still: who writes it may pause.
  static final int STILL_IN_PLACE = (int) InputFile.STILL_IN_PLACE.dividedBy(LOOK);

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

  /// One file of the folder.
  private static final class Listing {
    @Nullable Stamp seen;
    int still;
    @Nullable Stamp read;
    List<Found> found = List.of();
    @Nullable String trouble;
    int absent;
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
    for (Listing f : files.values()) {
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
    f.still = now.equals(f.seen) ? f.still + 1 : 0;
    boolean still =
        f.still >= (now.isWrittenInPlace(f.read) ? STILL_IN_PLACE : 1)
            || (f.read == null && !heard);
    f.seen = now;
    f.absent = 0;
    if (!still || now.equals(f.read)) {
      return false;
    }
    try {
      List<Found> found = read(path, now.bytes());
      if (f.still < STILL_IN_PLACE && !urls(found).containsAll(urls(f.found))) {
        // the first half of a new file, perhaps: what it takes away is believed when it stands
        // still
        return false;
      }
      f.read = now;
      f.found = found;
      f.trouble = null;
    } catch (ConfigException e) {
      f.read = now;
      f.trouble = String.valueOf(e.getMessage()).replace("\n", "; ");
      return false;
    }
    return true;
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
