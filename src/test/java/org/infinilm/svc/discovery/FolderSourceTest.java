package org.infinilm.svc.discovery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Looks are made by hand but for the first test: a look more or less shows nothing by chance.
class FolderSourceTest {
  @TempDir Path folder;
  private final Heard heard = new Heard();
  private FolderSource source;

  private FolderSource open() {
    source =
        new FolderSource(
            new SourceSpec.Folder("folder:" + folder, folder),
            f -> {
              if (f.options().containsKey("wrong")) {
                throw new ConfigException(f.place().apply("wrong") + ": wrong");
              }
            });
    return source;
  }

  private void write(String name, String text) throws IOException {
    Files.writeString(folder.resolve(name), text);
  }

  private void renamed(String name, String text) throws IOException {
    Path next = folder.resolve("." + name + ".new");
    Files.writeString(next, text);
    Files.move(
        next,
        folder.resolve(name),
        StandardCopyOption.ATOMIC_MOVE,
        StandardCopyOption.REPLACE_EXISTING);
  }

  private void looks(int n) {
    for (int k = 0; k < n; k++) {
      source.step(heard);
    }
  }

  /// As a network file system does that goes away meanwhile.
  @Test
  void aFolderThatFailsWhileItIsReadIsNamedAndTakesNothingOut() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    AtomicBoolean fails = new AtomicBoolean();
    source =
        new FolderSource(
            new SourceSpec.Folder("folder:" + folder, folder),
            f -> {},
            of ->
                Stream.of("a.toml", "b.toml")
                    .map(of::resolve)
                    .filter(p -> {
                      if (fails.get() && p.endsWith("b.toml")) {
                        throw new UncheckedIOException(new IOException("stale handle"));
                      }
                      return Files.exists(p);
                    }));
    looks(2);
    fails.set(true);
    looks(3);
    assertThat(heard.urls()).containsExactly("http://h:1");
    assertThat(heard.troubles()).hasSize(1).first().asString().contains("cannot be read: ");
    fails.set(false);
    looks(1);
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void followsByItself() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    try (Source s = open()) {
      s.start(heard);
      await()
          .atMost(Duration.ofSeconds(20))
          .until(() -> heard.urls().equals(List.of("http://h:1")));
      renamed("b.json", "[{\"url\": \"http://h:2\"}]");
      await()
          .atMost(Duration.ofSeconds(20))
          .until(() -> heard.urls().equals(List.of("http://h:1", "http://h:2")));
    }
  }

  @Test
  void bothFormsSayTheSame() throws Exception {
    write(
        "a.toml",
        "[[instance]]\nurl = \"http://h:1\"\nname = \"x\"\nweight = 3\n\n[[instance]]\nurl = \"http://h:2\"\n");
    write(
        "b.json",
        "{\"instance\": [{\"url\": \"http://h:3\", \"weight\": 3}, {\"url\": \"http://h:4\"}]}");
    write("c.json", "[]");
    write("notes.txt", "not a listing");
    write(".hidden.toml", "[[");
    open();
    looks(1);
    assertThat(heard.urls())
        .containsExactly("http://h:1", "http://h:2", "http://h:3", "http://h:4");
    assertThat(heard.last().getFirst().options())
        .containsEntry("name", "x")
        .containsEntry("weight", "3");
    assertThat(heard.last().get(2).options()).containsEntry("weight", "3");
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void aBadFileSaysWhatItSaidBeforeAndIsNamedWithItsLine() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    write("b.toml", "[[instance]]\nurl = \"http://h:2\"\n");
    open();
    looks(1);
    renamed("a.toml", "[[instance]]\nurl = \"http://h:9\"\nwrong = 1\n");
    looks(2);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles()).containsExactly(folder.resolve("a.toml") + ":3: wrong");
    renamed("b.toml", "[[instance]\n");
    looks(2);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles())
        .hasSize(2)
        .last()
        .asString()
        .startsWith(folder.resolve("b.toml") + ":1: ");
    renamed("a.toml", "[[instance]]\nurl = \"http://h:9\"\n");
    Files.delete(folder.resolve("b.toml"));
    looks(FolderSource.STILL_IN_PLACE + 1);
    assertThat(heard.urls()).containsExactly("http://h:9");
    assertThat(heard.troubles()).isEmpty();
  }

  /// Such as a `ca_file` that was not there yet.
  @Test
  void whatCouldNotBeUsedForSomethingOutsideIsReadAgainByItself() throws Exception {
    AtomicReference<@Nullable String> wrong = new AtomicReference<>("no such file");
    AtomicInteger checks = new AtomicInteger();
    write("a.toml", instances(1, 1));
    source =
        new FolderSource(
            new SourceSpec.Folder("folder:" + folder, folder),
            f -> {
              checks.incrementAndGet();
              String why = wrong.get();
              if (why != null && f.url().endsWith("2")) {
                throw new ConfigException(why);
              }
            });
    write("b.toml", instances(1, 2));
    looks(1);
    assertThat(heard.urls()).containsExactly("http://h:1");
    assertThat(heard.troubles()).containsExactly("no such file");
    int before = checks.get();
    looks(3 * FolderSource.AGAIN);
    assertThat(heard.troubles()).containsExactly("no such file");
    assertThat(checks.get() - before).as("and not at each look").isLessThanOrEqualTo(6);
    wrong.set("no certificate");
    looks(FolderSource.AGAIN + 2);
    assertThat(heard.troubles()).as("what holds now").containsExactly("no certificate");
    wrong.set(null);
    looks(FolderSource.AGAIN + 2);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles()).isEmpty();
    before = checks.get();
    looks(3 * FolderSource.AGAIN);
    assertThat(checks.get()).as("what is in force is left alone").isEqualTo(before);
  }

  @Test
  void whatIsUsableAgainTakesNobodyOutBeforeItStandsStill() throws Exception {
    AtomicBoolean fails = new AtomicBoolean();
    write("a.toml", instances(1, 1, 2));
    source =
        new FolderSource(
            new SourceSpec.Folder("folder:" + folder, folder),
            f -> {
              if (fails.get()) {
                throw new ConfigException("fails");
              }
            });
    looks(2);
    fails.set(true);
    renamed("a.toml", instances(1, 1));
    looks(FolderSource.AGAIN);
    fails.set(false);
    looks(2);
    // in place, between the two readings
    write("a.toml", instances(1, 1, 2) + "# more");
    looks(FolderSource.STILL_IN_PLACE);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    looks(1);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void whatIsWrongInJsonIsNamedWithItsLine() throws Exception {
    write(
        "a.json",
        "[\n {\"url\": \"http://h:1\"},\n {\"url\": \"http://h:2\",\n  \"wrong\": \"1\"}\n]");
    write("b.json", "[\n {\"name\": \"x\"}\n]");
    write("c.json", "{\n \"instance\": [}");
    write("d.json", "{\"services\": []}");
    write("e.json", "[\n{\"url\": \"http://h:2\", \"weight\": true}]");
    open();
    looks(1);
    assertThat(heard.times()).isEqualTo(1);
    assertThat(heard.urls()).isEmpty();
    assertThat(heard.troubles()).hasSize(5);
    assertThat(heard.troubles().get(0)).isEqualTo(folder.resolve("a.json") + ":4: wrong");
    assertThat(heard.troubles().get(1))
        .startsWith(folder.resolve("b.json") + ":2: an instance without its url");
    assertThat(heard.troubles().get(2)).startsWith(folder.resolve("c.json") + ":2: ");
    assertThat(heard.troubles().get(3))
        .startsWith(folder.resolve("d.json") + ":1: no list of instances");
    assertThat(heard.troubles().get(4))
        .startsWith(
            folder.resolve("e.json") + ":2: weight: true (expected: a text or a whole number)");
  }

  @Test
  void aFileThatIsStillBeingWrittenIsLeftAlone() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    open();
    looks(2);
    // half of it is a whole document that lists less
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n#");
    looks(1);
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n#\n[[instance]]\nurl = \"http://h:2\"\n");
    int before = heard.times();
    looks(FolderSource.STILL_IN_PLACE);
    assertThat(heard.times()).isEqualTo(before);
    looks(1);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
  }

  @Test
  void anEmptiedFileAndAFileThatIsAwayForALookChangeNothing() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    write("b.toml", "[[instance]]\nurl = \"http://h:2\"\n");
    open();
    looks(1);
    renamed("a.toml", "");
    looks(2);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles())
        .hasSize(1)
        .first()
        .asString()
        .contains("a.toml:1: empty (expected: instances, or a comment)");
    Files.delete(folder.resolve("b.toml"));
    looks(1);
    renamed("b.toml", "[[instance]]\nurl = \"http://h:2\"\n");
    looks(3);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    renamed("a.toml", "# nothing any more\n");
    looks(2);
    assertThat(heard.urls()).as("half of a file, perhaps").hasSize(2);
    looks(FolderSource.STILL_IN_PLACE - 1);
    assertThat(heard.urls()).containsExactly("http://h:2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[[instance]]\nurl = \"http://h:3\"\n"})
  void aNewFileThatIsWrittenInTwoPartsTakesNobodyOut(String another) throws Exception {
    String one = "[[instance]]\nurl = \"http://h:1\"\n";
    String two = "[[instance]]\nurl = \"http://h:2\"\n";
    write("a.toml", one + two);
    open();
    looks(1);
    // another file in its place, as tar makes one
    renamed("a.toml", one + another);
    looks(FolderSource.STILL_IN_PLACE - 1);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    renamed("a.toml", one + two);
    looks(2);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
  }

  private static String instances(int weight, int... hosts) {
    StringBuilder out = new StringBuilder("# made by a generator\n");
    for (int h : hosts) {
      out.append("[[instance]]\nurl = \"http://h:")
          .append(h)
          .append("\"\nweight = ")
          .append(weight)
          .append('\n');
    }
    return out.toString();
  }

  private interface Writing {
    void write(String name, String text) throws IOException;
  }

  /// One writing a look, or one at every fourth.
  private void generate(Writing by, int looks, int every, IntFunction<String> text)
      throws IOException {
    for (int k = 0; k < looks; k++) {
      if (k % every == 0) {
        by.write("a.toml", text.apply(k));
      }
      looks(1);
    }
  }

  @ParameterizedTest
  @CsvSource({"true, 1", "true, 4", "false, 1", "false, 4"})
  void whatIsWrittenAgainAndAgainAndSaysTheSameIsBelieved(boolean renames, int every)
      throws Exception {
    Writing by = renames ? this::renamed : this::write;
    write("a.toml", instances(1, 1, 2));
    open();
    looks(1);
    generate(by, FolderSource.STILL_IN_PLACE, every, k -> instances(1, 1));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    generate(by, 1, 1, k -> instances(1, 1));
    assertThat(heard.urls()).containsExactly("http://h:1");
    // each time with another comment
    generate(by, 10, every, k -> "# " + k + "\n" + instances(1, 1, 3));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:3");
    int before = heard.times();
    generate(by, 40, every, k -> instances(1, 1, 3));
    assertThat(heard.times()).as("nothing new").isEqualTo(before);
    assertThat(heard.troubles()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void whatIsRenamedAgainAndAgainIsBelievedAlthoughItSaysSomethingElseEachTime(int every)
      throws Exception {
    write("a.toml", instances(1, 1, 2));
    open();
    looks(1);
    generate(this::renamed, FolderSource.STILL_IN_PLACE, every, k -> instances(2 + k, 1, 3));
    assertThat(heard.urls()).contains("http://h:2");
    generate(this::renamed, 4, every, k -> instances(20 + k, 1, 3));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:3");
    // one that is listed every now and then stays
    generate(
        this::renamed, 60, 1, k -> k % 5 == 0 ? instances(40 + k, 1, 3) : instances(40 + k, 1));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:3");
    int weight = Integer.parseInt(heard.last().getFirst().options().get("weight"));
    assertThat(weight).as("of 99, two seconds ago").isGreaterThanOrEqualTo(90);
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void whatIsWrittenInPlaceAgainAndAgainAndNeverSaysTheSameIsNamed() throws Exception {
    write("a.toml", instances(1, 1, 2));
    open();
    looks(1);
    generate(this::write, FolderSource.LATE, 4, k -> instances(2 + k, 1));
    assertThat(heard.troubles()).isEmpty();
    generate(this::write, 40, 4, k -> instances(50 + k, 1));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.troubles())
        .containsExactly(
            folder.resolve("a.toml")
                + ": written again and again, and not read for 5 s (expected: the same for 2 s, or written beside it and renamed into place)");
    looks(FolderSource.STILL_IN_PLACE);
    assertThat(heard.urls()).containsExactly("http://h:1");
    assertThat(heard.troubles()).isEmpty();
  }

  /// Its parts are seen, and none of them is believed.
  @Test
  void aGeneratorThatEmptiesAndRewritesInPlaceTakesNobodyOut() throws Exception {
    String whole = instances(1, 1, 2);
    List<String> parts = List.of("", instances(1, 1), whole, whole);
    write("a.toml", whole);
    open();
    looks(1);
    generate(this::write, 60, 1, k -> parts.get(k % parts.size()));
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:2");
    assertThat(heard.times()).isEqualTo(1);
  }

  /// As Kubernetes mounts a ConfigMap.
  @Test
  void whatALinkLeadsToIsFollowed() throws Exception {
    for (int k = 1; k <= 2; k++) {
      Path data = Files.createDirectory(folder.resolve("..data-" + k));
      Files.writeString(data.resolve("a.toml"), "[[instance]]\nurl = \"http://h:" + k + "\"\n");
    }
    Path link = folder.resolve("..data");
    Files.createSymbolicLink(link, Path.of("..data-1"));
    Files.createSymbolicLink(folder.resolve("a.toml"), Path.of("..data/a.toml"));
    open();
    looks(1);
    assertThat(heard.urls()).containsExactly("http://h:1");
    Files.createSymbolicLink(folder.resolve("..next"), Path.of("..data-2"));
    Files.move(folder.resolve("..next"), link, StandardCopyOption.ATOMIC_MOVE);
    looks(FolderSource.STILL_IN_PLACE + 1);
    assertThat(heard.urls()).containsExactly("http://h:2");
  }

  @Test
  void aFileThatCannotBeLookedAtSaysWhatItSaidBeforeAndIsNamed() throws Exception {
    Path away = Files.createDirectory(folder.resolve("away"));
    Files.writeString(away.resolve("d.toml"), "[[instance]]\nurl = \"http://h:4\"\n");
    Files.createSymbolicLink(folder.resolve("d.toml"), Path.of("away/d.toml"));
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    open();
    looks(1);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:4");
    Files.move(away, folder.resolve("elsewhere"));
    Files.delete(folder.resolve("a.toml"));
    Files.createSymbolicLink(folder.resolve("a.toml"), Path.of("a.toml"));
    looks(4);
    assertThat(heard.urls()).containsExactly("http://h:1", "http://h:4");
    assertThat(heard.troubles())
        .hasSize(2)
        .contains(folder.resolve("d.toml") + ": leads nowhere (expected: a link to a file)")
        .first()
        .asString()
        .startsWith(folder.resolve("a.toml") + ": cannot be looked at: ");
    Files.move(folder.resolve("elsewhere"), away);
    Files.delete(folder.resolve("a.toml"));
    looks(2);
    assertThat(heard.urls()).as("gone is what has no name").containsExactly("http://h:4");
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void aFolderThatIsAwayKeepsWhatItListed() throws Exception {
    Path sub = Files.createDirectory(folder.resolve("sub"));
    Files.writeString(sub.resolve("a.toml"), "[[instance]]\nurl = \"http://h:1\"\n");
    source = new FolderSource(new SourceSpec.Folder("folder:" + sub, sub), f -> {});
    looks(1);
    Files.move(sub, folder.resolve("elsewhere"));
    looks(3);
    assertThat(heard.urls()).containsExactly("http://h:1");
    assertThat(heard.troubles()).containsExactly(sub + ": no such folder");
    assertThat(heard.times()).isEqualTo(1);
  }

  /// An empty mount point stands where the volume was.
  @Test
  void aFolderThatIsSuddenlyEmptyIsBelievedLate() throws Exception {
    write("a.toml", "[[instance]]\nurl = \"http://h:1\"\n");
    write("b.toml", "[[instance]]\nurl = \"http://h:2\"\n");
    open();
    looks(1);
    Path other = Files.createDirectory(folder.resolve("other"));
    for (String name : List.of("a.toml", "b.toml")) {
      Files.move(folder.resolve(name), other.resolve(name));
    }
    looks(19);
    assertThat(heard.urls()).hasSize(2);
    Files.move(other.resolve("a.toml"), folder.resolve("a.toml"));
    looks(1);
    assertThat(heard.urls()).as("b has been away for long").containsExactly("http://h:1");
    Files.delete(folder.resolve("a.toml"));
    looks(19);
    assertThat(heard.urls()).hasSize(1);
    looks(1);
    assertThat(heard.urls()).isEmpty();
  }

  @Test
  void aFolderThatComesLaterIsHeardThen() throws Exception {
    Path sub = folder.resolve("sub");
    source = new FolderSource(new SourceSpec.Folder("folder:" + sub, sub), f -> {});
    looks(2);
    assertThat(heard.times()).as("nothing is known, which is not nothing there").isZero();
    Files.createDirectory(sub);
    looks(1);
    assertThat(heard.times()).isEqualTo(1);
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void thereAreBounds() throws Exception {
    byte[] large = new byte[FolderSource.MOST_BYTES + 1];
    Files.write(folder.resolve("a.json"), large);
    StringBuilder many = new StringBuilder("[");
    for (int k = 0; k <= Source.MOST; k++) {
      many.append(k == 0 ? "" : ",")
          .append("{\"url\":\"http://h:")
          .append(k % 60000 + 1)
          .append("\"}");
    }
    write("b.json", many.append("]").toString());
    open();
    looks(1);
    assertThat(heard.last()).hasSize(Source.MOST);
    assertThat(heard.troubles()).hasSize(2);
    assertThat(heard.troubles().get(1)).contains("10001 instances (expected: at most 10000)");
    assertThat(heard.troubles().get(0))
        .contains("a.json: 1048577 bytes (expected: at most 1048576)");
  }
}
