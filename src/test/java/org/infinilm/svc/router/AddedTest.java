package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What was added over HTTP, and the file that keeps it.
class AddedTest {
  private static final String A = "{\"name\":\"a\",\"url\":\"http://h:1\"}";

  @TempDir private Path dir;
  private final List<Added> open = new ArrayList<>();
  private Path file;

  @BeforeEach
  void begin() {
    file = dir.resolve("added.json");
  }

  @AfterEach
  void end() {
    open.forEach(Added::close);
  }

  private Added router(Path at) {
    Added added = new Added(at, List.of(), all -> {});
    open.add(added);
    added.load();
    return added;
  }

  private static String add(Added to, String name, boolean keep) throws Exception {
    String body = "{\"url\":\"http://h:1\",\"name\":\"" + name + "\",\"keep\":" + keep + "}";
    return to.add(Json.tree(body.getBytes(StandardCharsets.UTF_8)), Set.of());
  }

  /// Such a file was read as one that keeps nothing, and written over.
  @Test
  void aFileThatHoldsSomethingElseIsSetAsideAndNotWrittenOver() throws Exception {
    String[] others = {
      "",
      "{damaged",
      "[]",
      "[" + A + "]",
      "\"x\"",
      "{}",
      "{\"services\":[" + A + "]}",
      "{\"instances\":{\"a\":1}}",
      "{\"instances\":[],\"version\":2}",
      "{\"instances\":[1]}",
      "{\"instances\":[{\"name\":\"a\"}]}",
    };
    for (String other : others) {
      Files.writeString(file, other);
      try (Added added = router(file)) {
        assertThat(added.names()).as(other).isEmpty();
        assertThat(file).as(other).doesNotExist();
        Path aside = dir.resolve("added.json.damaged");
        assertThat(aside).as(other).hasContent(other);
        assertThat(add(added, "b", true)).isEqualTo("b");
        assertThat(Files.readString(file)).contains("\"b\"");
        Files.delete(aside);
      }
    }
  }

  /// One entry of a newer version took all of them away.
  @Test
  void whatCanBeUsedOfADamagedFileIsUsedAndKept() throws Exception {
    String other = "{\"name\":\"b\",\"url\":\"http://h:2\",\"of_tomorrow\":1}";
    String whole = "{\"instances\":[" + other + "," + A + "," + A + "]}";
    Files.writeString(file, whole);
    try (Added added = router(file)) {
      assertThat(added.names()).containsExactly("a");
    }
    assertThat(dir.resolve("added.json.damaged")).hasContent(whole);
    assertThat(router(file).names()).as("at the next start").containsExactly("a");
    assertThat(Files.readString(file)).doesNotContain("\"b\"");
  }

  @Test
  void whatIsNotToBeKeptNeedsNoFileThatCanBeWritten() throws Exception {
    Path folder = dir.resolve("folder");
    Files.writeString(folder, "no folder");
    Path under = folder.resolve("added.json");
    Added added = router(under);
    assertThat(add(added, "passing", false)).isEqualTo("passing");
    assertThat(added.remove("passing")).isEqualTo(Added.Removal.REMOVED);
    assertThatThrownBy(() -> add(added, "kept", true))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(under + ": cannot be written: ");
    assertThat(added.names()).isEmpty();
  }

  @Test
  void aFolderThatIsMissingIsMade() throws Exception {
    Path deep = dir.resolve("none").resolve("of").resolve("added.json");
    add(router(deep), "a", true);
    assertThat(Files.readString(deep)).contains("\"a\"");
  }

  @Test
  void whatIsNoFileStaysWhereItIs() throws Exception {
    Files.createDirectory(file);
    Added added = router(file);
    assertThat(file).isDirectory();
    assertThatThrownBy(() -> add(added, "a", true))
        .isInstanceOf(IOException.class)
        .hasMessage(file + ": not a regular file (expected: a file, or none yet)");
  }

  /// The last of two routers to write lost what the other had kept.
  @Test
  void aFileIsOneRouters() throws Exception {
    Added first = router(file);
    add(first, "a", true);
    Added second = router(file);
    assertThat(second.names()).containsExactly("a");
    String another = file + ": another router writes it (expected: a file for each router)";
    assertThatThrownBy(() -> add(second, "b", true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(another);
    assertThatThrownBy(() -> second.remove("a"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(another);
    assertThat(second.names()).containsExactly("a");
    assertThat(add(second, "c", false)).isEqualTo("c");
    assertThat(Files.readString(file)).contains("\"a\"").doesNotContain("\"c\"");
    first.close();
    second.close();
    Added third = router(file);
    assertThat(third.names()).containsExactly("a");
    assertThat(third.remove("a")).isEqualTo(Added.Removal.REMOVED);
    assertThat(Files.readString(file)).doesNotContain("\"a\"");
  }

  @Test
  void aFileOfAnotherRouterIsNotSetAside() throws Exception {
    Added first = router(file);
    add(first, "a", true);
    Files.writeString(file, "{damaged");
    assertThat(router(file).names()).isEmpty();
    assertThat(file).hasContent("{damaged");
  }
}
