package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.registry.EtcdKeys.Kind;
import org.infinilm.svc.registry.EtcdKeys.Named;
import org.infinilm.svc.registry.EtcdKeys.NoSuchThing;
import org.infinilm.svc.registry.EtcdKeys.Stored;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EtcdKeysTest {
  private final EtcdKeys keys = new EtcdKeys("/p/");

  static Stored stored(String name) {
    return new Stored(
        new Entry(
            name, "h", 1, "h", "http://h:1", "running", Map.of("type", "mock"), 2, "incarnation"),
        Instant.ofEpochSecond(1_700_000_000),
        "r1");
  }

  @Test
  void everyNameComesBackFromItsKey() {
    for (String name : List.of("a", "a/b", "50% off", "é", "entries/x")) {
      assertThat(keys.named(keys.entry(name))).isEqualTo(new Named(Kind.ENTRY, name));
      assertThat(keys.named(keys.gone(name))).isEqualTo(new Named(Kind.GONE, name));
      assertThat(keys.named(keys.registry(name))).isEqualTo(new Named(Kind.REGISTRY, name));
    }
    assertThat(keys.named(keys.heard("run", 3)).kind()).isEqualTo(Kind.HEARD);
    assertThat(keys.named(keys.settings()).kind()).isEqualTo(Kind.OTHER);
  }

  /// Such an entry would take the answers of all others with it.
  @ParameterizedTest
  @ValueSource(strings = {"31556889864403199", "253402300800", "-1", "1.5", "\"1\"", "null"})
  void aTimeThatIsNoDateIsNoEntrys(String seconds) {
    String good = new String(stored("a").json(), StandardCharsets.UTF_8);
    String odd = good.replace("\"registered_at\":1700000000", "\"registered_at\":" + seconds);
    assertThat(odd).isNotEqualTo(good);
    assertThatThrownBy(() -> EtcdKeys.stored("a", odd.getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(NoSuchThing.class);
    assertThatThrownBy(
            () -> EtcdKeys.grave(("{\"at\":" + seconds + "}").getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(NoSuchThing.class);
  }

  @Test
  void anEntryComesBackWhole() throws Exception {
    Stored s = stored("a");
    assertThat(EtcdKeys.stored("a", s.json())).isEqualTo(s);
    Stored altered =
        new Stored(s.entry().withIncarnation(Entry.ALTERED), s.registeredAt(), s.registration());
    assertThat(EtcdKeys.stored("a", altered.json())).isEqualTo(altered);
    Stored plain = new Stored(s.entry().withIncarnation(null), s.registeredAt(), "r");
    assertThat(EtcdKeys.stored("a", plain.json())).isEqualTo(plain);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "hello|not JSON",
        "[1]|an array",
        "{}|name: missing",
        "{\"name\":\"b\"}|host: missing",
      })
  void whatIsNoEntryIsRefusedWithWhatIsWrong(String json, String said) {
    assertThatThrownBy(() -> EtcdKeys.stored("a", json.getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(NoSuchThing.class)
        .hasMessageContaining(said);
    assertThatThrownBy(() -> EtcdKeys.stored("b", stored("a").json()))
        .hasMessageContaining("name: \"a\" (expected: that of its key)");
  }

  @Test
  void otherValuesComeBack() throws Exception {
    Instant at = Instant.ofEpochSecond(5);
    assertThat(EtcdKeys.grave(EtcdKeys.grave(at))).isEqualTo(at);
    assertThat(EtcdKeys.heard(EtcdKeys.heard(List.of("a", "b")))).isEqualTo(Set.of("a", "b"));
    byte[] none = "{".getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() -> EtcdKeys.grave(none)).isInstanceOf(NoSuchThing.class);
    assertThatThrownBy(() -> EtcdKeys.heard(none)).isInstanceOf(NoSuchThing.class);
  }

  @Test
  void whoseFoldersAPrefixIsInIsKnown() {
    assertThat(new EtcdKeys("/team/").around()).isEmpty();
    assertThat(new EtcdKeys("/team/a/").around()).isEmpty();
    assertThat(new EtcdKeys("/entries/").around()).isEmpty();
    assertThat(new EtcdKeys("/my-entries/").around()).isEmpty();
    assertThat(new EtcdKeys("/team/entries/").around()).containsExactly("/team/");
    assertThat(new EtcdKeys("/team/routers/x/gone/").around())
        .containsExactlyInAnyOrder("/team/", "/team/routers/x/");
  }

  @Test
  void anotherDeploymentsSettingsAreToldApart() {
    Duration lease = Duration.ofMinutes(2);
    assertThat(EtcdKeys.difference(EtcdKeys.agreed(lease), lease)).isNull();
    assertThat(EtcdKeys.difference(EtcdKeys.agreed(Duration.ofMinutes(1)), lease))
        .contains("--lease 60.0 (expected: --lease 120.0");
    for (String other : List.of("hello", "{}", "{\"lease_ms\":120000}")) {
      assertThat(EtcdKeys.difference(other.getBytes(StandardCharsets.UTF_8), lease))
          .contains("somebody else's");
      assertThatThrownBy(() -> EtcdKeys.agreed(other.getBytes(StandardCharsets.UTF_8)))
          .hasMessage("is somebody else's (expected: a registry's)");
    }
  }
}
