package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.pkitesting.CertificateBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What the thread that follows the files takes over and what it refuses; a router takes it from
/// there (`ReloadIT`).
class ReloaderTest {
  @TempDir private Path dir;
  private Path file;
  private final List<Long> thresholds = new CopyOnWriteArrayList<>();
  private final Happenings happenings = new Happenings(Ticker.SYSTEM);

  @BeforeEach
  void name() {
    file = dir.resolve("router.toml");
  }

  private Sources.Read read() throws Exception {
    Config c = Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), file);
    return new Sources(c, List.of(), List.of(), Map.of()).read();
  }

  private Reloader over(Sources.Read started) {
    return new Reloader(
        started, next -> thresholds.add(next.config().threshold()), happenings, Ticker.SYSTEM);
  }

  @Test
  void whatIsWrittenBetweenTheStartsReadingAndTheFirstLookIsSeen() throws Exception {
    Files.writeString(file, "threshold = 1\n");
    Sources.Read started = read();
    Files.writeString(file, "threshold = 2\n");
    try (Reloader r = over(started)) {
      r.start();
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L)));
    }
  }

  @Test
  void aFileThatSaysWhatIsInForceIsNoNewsAtTheStart() throws Exception {
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      r.ask();
      await().atMost(Rig.SOON).until(() -> !thresholds.isEmpty());
      assertThat(thresholds).as("only what was asked for").containsExactly(1L);
      Files.writeString(file, "threshold = 3\n");
      await().atMost(Rig.SOON).until(() -> thresholds.size() == 2);
      assertThat(thresholds).containsExactly(1L, 3L);
    }
  }

  @Test
  void aFileOfServicesThatIsNotThereYetIsWaitedFor() throws Exception {
    Path list = dir.resolve("later.json");
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      Files.writeString(file, "threshold = 2\nstatic_services = \"" + list + "\"\n");
      await().atMost(Rig.SOON).until(() -> r.status().error() != null);
      assertThat(r.status().error()).isEqualTo(list + ": no such file");
      Files.writeString(list, "[]");
      await().atMost(Rig.SOON).until(() -> thresholds.contains(2L));
      await().atMost(Rig.SOON).until(() -> r.status().error() == null);
    }
  }

  /// The file says the same, and something else is there.
  @Test
  void aFileThatNamesAnotherOneIsReadAgainByItself() throws Exception {
    Path ca = dir.resolve("ca.pem");
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      looks(r, 2);
      renamed(
          "threshold = 2\n[[instance]]\nurl = \"https://127.0.0.1:9\"\nca_file = \"" + ca + "\"\n");
      looks(r, 3 * Reloader.AGAIN);
      assertThat(r.status().error()).contains("ca.pem (expected: a file that exists)");
      assertThat(happenings.since(0)).as("said once").hasSize(1);
      Files.writeString(
          ca,
          new CertificateBuilder()
              .subject("CN=an authority")
              .setIsCertificateAuthority(true)
              .buildSelfSigned()
              .getCertificatePEM());
      looks(r, Reloader.AGAIN + 1);
      assertThat(r.status().error()).isNull();
      assertThat(thresholds).containsExactly(2L);
      looks(r, 3 * Reloader.AGAIN);
      assertThat(thresholds).as("what is in force is left alone").containsExactly(2L);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whatIsWrittenAgainAndAgainAndSaysTheSameIsTaken(boolean renames) throws Exception {
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      looks(r, 2);
      for (int k = 0; k < 3 * Reloader.LATE; k++) {
        if (renames) {
          renamed("threshold = 2\n");
        } else {
          Files.writeString(file, "threshold = 2\n");
        }
        looks(r, 1);
      }
      assertThat(thresholds).containsExactly(2L);
      assertThat(r.status().error()).isNull();
    }
  }

  @Test
  void whatChangesAllTheWhileIsNamedUntilItStandsStill() throws Exception {
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      looks(r, 2);
      for (int k = 0; k < 3 * Reloader.LATE; k++) {
        Files.writeString(file, "threshold = " + (2 + k) + "\n");
        looks(r, 1);
        assertThat(r.status().error() == null).as("look %s", k).isEqualTo(k < Reloader.LATE);
      }
      assertThat(r.status().error())
          .isEqualTo(
              file
                  + ": written again and again, and not read for 5 s (expected: the same for 2 s, or written beside it and renamed into place)");
      assertThat(happenings.since(0)).as("said once").hasSize(1);
      Files.writeString(file, "threshold = 1\n");
      looks(r, Reloader.AGAIN + 1);
      assertThat(r.status().error()).as("what is in force stands there again").isNull();
    }
  }

  private static void looks(Reloader r, int n) {
    for (int k = 0; k < n; k++) {
      r.look();
    }
  }

  private void renamed(String text) throws Exception {
    Path next = Files.writeString(dir.resolve("next"), text);
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  @Test
  void anotherFileOfServicesIsFollowedFromThenOn() throws Exception {
    Path list = Files.writeString(dir.resolve("a.json"), "[]");
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      Files.writeString(file, "threshold = 2\nstatic_services = \"" + list + "\"\n");
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L)));
      Files.writeString(list, "[{\"name\":\"a\",\"url\":\"http://127.0.0.1:9\"}]");
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L, 2L)));
      Files.writeString(list, "[3]");
      await().atMost(Rig.SOON).until(() -> r.status().error() != null);
      assertThat(r.status().error()).startsWith(list + ":1: services[0]: 3 (expected: an object)");
      assertThat(happenings.since(0).getLast().state()).isEqualTo("refused");
    }
  }

  /// A copy that stalled before the first of the keys opened the router to everybody.
  @Test
  void aFileThatSaysNothingOfKeysDoesNotTakeTheLastOneAway() throws Exception {
    String key = "[[keys]]\nname = \"a\"\nhash = \"" + ClientKey.hashLine("ik-a") + "\"\n";
    Files.writeString(file, "threshold = 1\n" + key);
    try (Reloader r = over(read())) {
      Files.writeString(file, "threshold = 2\n");
      r.ask();
      r.look();
      assertThat(r.status().error())
          .isEqualTo(
              file
                  + ": no [[keys]], where 1 are in force (expected: keys, or keys = [] so that everybody may ask)");
      assertThat(thresholds).isEmpty();
      Files.writeString(file, "threshold = 3\n" + key);
      r.ask();
      r.look();
      assertThat(r.status().error()).isNull();
      Files.writeString(file, "threshold = 4\nkeys = []\n");
      r.ask();
      r.look();
      assertThat(r.status().error()).isNull();
      assertThat(thresholds).containsExactly(3L, 4L);
    }
  }

  /// The same of what only the admin may.
  @Test
  void aFileThatSaysNothingOfTheAdminTokenDoesNotTakeItAway() throws Exception {
    Files.writeString(file, "threshold = 1\nadmin_token = \"t\"\n");
    try (Reloader r = over(read())) {
      Files.writeString(file, "threshold = 2\n");
      r.ask();
      r.look();
      assertThat(r.status().error())
          .isEqualTo(
              file
                  + ": no admin_token, where one is in force (expected: one, or admin_token = \"\" for none)");
      assertThat(thresholds).isEmpty();
      Files.writeString(file, "threshold = 3\nadmin_token = \"\"\n");
      r.ask();
      r.look();
      assertThat(r.status().error()).isNull();
      assertThat(thresholds).containsExactly(3L);
    }
  }

  @Test
  void aFileThatSaysNothingOfLoopbackDoesNotOpenIt() throws Exception {
    String token = "admin_token = \"t\"\n";
    Files.writeString(file, "threshold = 1\n" + token + "loopback_needs_token = true\n");
    try (Reloader r = over(read())) {
      Files.writeString(file, "threshold = 2\n" + token);
      r.ask();
      r.look();
      assertThat(r.status().error())
          .isEqualTo(
              file + ": no loopback_needs_token, where it is true (expected: true or false)");
      Files.writeString(file, "threshold = 3\n" + token + "loopback_needs_token = false\n");
      r.ask();
      r.look();
      assertThat(r.status().error()).isNull();
      assertThat(thresholds).containsExactly(3L);
    }
  }

  @Test
  void aFileThatSaysNothingOfInstancesDoesNotTakeTheLastOneAway() throws Exception {
    String instance = "[[instance]]\nurl = \"http://127.0.0.1:9\"\n";
    Files.writeString(file, "threshold = 1\n" + instance);
    try (Reloader r = over(read())) {
      Files.writeString(file, "threshold = 2\n");
      r.ask();
      r.look();
      assertThat(r.status().error())
          .isEqualTo(
              file
                  + ": no [[instance]], where 1 are in force (expected: instances, or instance = [] for none)");
      assertThat(thresholds).isEmpty();
      Files.writeString(file, "threshold = 3\ninstance = []\n");
      r.ask();
      r.look();
      assertThat(r.status().error()).isNull();
      assertThat(thresholds).containsExactly(3L);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"threshold = 2\n", "threshold = 2\n# of a longer file, its first half\n"})
  void aFileThatIsWrittenInPlaceMustStandStillForLonger(String half) throws Exception {
    Files.writeString(file, "threshold = 1\nsession_header = \"x\"\n");
    try (Reloader r = over(read())) {
      r.look();
      r.look();
      Files.writeString(file, half);
      for (int k = 0; k < Reloader.MOST_STALLED; k++) {
        r.look();
        assertThat(thresholds).isEmpty();
      }
      Files.writeString(
          file, "threshold = 3\nsession_header = \"x\"\n# and more of it than before\n");
      for (int k = 0; k <= Reloader.MOST_STALLED; k++) {
        r.look();
      }
      assertThat(thresholds).containsExactly(3L);
      Files.writeString(file, "threshold = 4\n");
      for (int k = 0; k <= Reloader.MOST_STALLED; k++) {
        r.look();
      }
      assertThat(thresholds).as("it is all there is").containsExactly(3L, 4L);
      Path next = Files.writeString(dir.resolve("next"), "threshold=5\n");
      Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
      r.look();
      r.look();
      assertThat(thresholds).as("a file renamed over it is whole").endsWith(5L);
    }
  }

  /// As tar or git write a file anew: it is another one than before, and its first half is whole.
  @ParameterizedTest
  @ValueSource(strings = {"", "[[instance]]\nurl = \"http://127.0.0.1:3\"\nname = \"c\"\n"})
  void aNewFileThatLeavesAnInstanceOutIsBelievedWhenItStandsStill(String another) throws Exception {
    String one = "[[instance]]\nurl = \"http://127.0.0.1:1\"\nname = \"a\"\n";
    String two = "[[instance]]\nurl = \"http://127.0.0.1:2\"\nname = \"b\"\n";
    Files.writeString(file, "threshold = 1\n" + one + two);
    try (Reloader r = over(read())) {
      r.look();
      r.look();
      for (String text :
          List.of("threshold = 2\n" + one + another, "threshold = 3\n" + one + two)) {
        Path next = Files.writeString(dir.resolve("next"), text);
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
        r.look();
        r.look();
      }
      assertThat(thresholds).as("half of a file, perhaps").doesNotContain(2L);
      for (int k = 0; k <= Reloader.MOST_STALLED; k++) {
        // its number may be that of the one before
        r.look();
      }
      assertThat(thresholds).containsExactly(3L);
      Path next = Files.writeString(dir.resolve("next"), "threshold = 4\n" + one + another);
      Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
      for (int k = 0; k <= Reloader.MOST_STALLED; k++) {
        r.look();
      }
      assertThat(thresholds).as("it is all there is").containsExactly(3L, 4L);
    }
  }
}
