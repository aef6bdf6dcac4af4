package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokensTest {
  @TempDir private Path dir;

  private Tokens parse(String text) throws IOException {
    return Tokens.parse(Files.writeString(dir.resolve("tokens"), text));
  }

  @Test
  void aFileHoldsOneTokenALine() throws IOException {
    Tokens t = parse("\ufeff# babysitters\r\nwrite w1\n\n  w2  \nread r1\n");
    assertThat(t).isEqualTo(new Tokens(List.of("w1", "w2"), List.of("r1")));
    assertThat(t.toString()).doesNotContain("w1").doesNotContain("r1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"write", "read secret b", "secret word", "writ secret"})
  void aLineThatIsNoTokenIsNamedByItsNumberAlone(String line) {
    assertThatThrownBy(() -> parse("ok\n" + line))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("line 2 ")
        .message()
        .doesNotContain("secret");
  }

  @Test
  void aFileWithoutATokenGuardsNothingAndIsRefused() {
    assertThatThrownBy(() -> parse("# none\n")).hasMessageContaining("holds no token");
  }

  @Test
  void whoMayWriteMayRead() {
    Tokens t = new Tokens(List.of("w"), List.of("r"));
    assertThat(t.mayWrite("Bearer w")).isTrue();
    assertThat(t.mayWrite("Bearer r")).isFalse();
    assertThat(t.mayWrite(null)).isFalse();
    assertThat(t.mayRead("Bearer w")).isTrue();
    assertThat(t.mayRead("Bearer r")).isTrue();
    assertThat(t.mayRead("Bearer x")).isFalse();
    assertThat(t.mayRead(null)).isFalse();
    assertThat(Tokens.of("w", null).mayRead(null)).as("reading is open").isTrue();
    assertThat(Tokens.of(null, "r").mayWrite(null)).as("changes are open").isTrue();
    assertThat(Tokens.NONE.mayWrite(null)).isTrue();
  }
}
