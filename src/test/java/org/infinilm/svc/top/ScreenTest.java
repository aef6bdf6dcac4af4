package org.infinilm.svc.top;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.top.Look.Act;
import org.infinilm.svc.top.Look.Nothing;
import org.infinilm.svc.top.Look.Quit;
import org.infinilm.svc.top.Look.Target;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What `top` draws, and what keys do to it.
class ScreenTest {
  private static final Screen SCREEN = new Screen("http://r:1", false, ZoneOffset.UTC);
  private static final List<Map<String, Object>> TWO =
      List.of(
          Told.instance("a", "paged", "routable", 0.5),
          Told.instance("b", "static", "draining", -1));

  private static List<String> text(Board b, Look look, int width, int height) {
    return SCREEN.draw(b, look, width, height, "").stream().map(Screen.Line::text).toList();
  }

  @Test
  void poolsInstancesAndDecisionsAreDrawn() {
    String all = String.join("\n", text(Told.board(TWO), Look.FIRST, 100, 0));
    assertThat(all)
        .contains("Serving: 1 of 2 in service, - req/s, 2 in flight, 3 waiting")
        .containsPattern("paged .*▅█ +8\\.0/s +ttft +24 ms p95 +- tpot 6\\.6 ms +57\\.2 tok/s")
        .containsPattern("a +paged +routable +1 +500 ms +42 % +3 +0 +12")
        .containsPattern("b +static draining +1/2 +- +- +- +- +12")
        .containsPattern("20:31:05 +51 kB +a +size +500 ms +- +ok");
  }

  @Test
  void kvUseAndRestartsAreDrawnWhereThereIsRoom() {
    String wide = String.join("\n", text(Told.board(TWO), Look.FIRST, 96, 24));
    assertThat(wide)
        .containsPattern("P95 +KV USE +RESTARTS +ERR")
        .containsPattern("500 ms +42 % +3 +0");
    String narrow = String.join("\n", text(Told.board(TWO), Look.FIRST, 80, 24));
    assertThat(narrow).doesNotContain("KV USE").containsPattern("500 ms +0 +12");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 40, 80, 81, 200})
  void noLineIsWiderThanTheScreenAndAsManyAsItHas(int width) {
    for (int height : List.of(4, 5, 9, 24, 60)) {
      List<String> lines = text(Told.board(TWO), Look.FIRST, width, height);
      assertThat(lines).hasSize(height);
      assertThat(lines).allMatch(l -> l.length() <= Math.max(40, width));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 50, 80, 120})
  void linesOfPoolsLineUpWhateverTheirPlacesAre(int width) throws Exception {
    JsonNode told = Json.tree(Told.data(true, 2.0, TWO));
    ((ObjectNode) told.path("pools").path(1)).put("in_flight", 1000).put("seats", 1024);
    Board b = new Board();
    b.take("snapshot", told, 0);
    List<String> pools = text(b, Look.FIRST, width, 24).subList(2, 4);
    assertThat(pools.getFirst()).startsWith("paged ").endsWith(" 1 in flight");
    assertThat(pools.getLast()).startsWith("static ").endsWith(" 1000/1024 in flight");
    for (String word : List.of("/s", "in flight")) {
      assertThat(pools.getFirst().indexOf(word)).isEqualTo(pools.getLast().indexOf(word));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 50, 60, 80, 100, 200})
  void whatMattersWhenThingsAreBadIsThereAtAnyWidth(int width) {
    Map<String, Object> out = Told.instance("node-1", "static", "ejected", 0.5);
    out.put("errors_last_minute", 6789);
    String all = String.join("\n", text(Told.bad(List.of(out)), Look.FIRST, width, 24));
    assertThat(all)
        .contains("12 of 16 in service")
        .contains("6789 err/min")
        .containsPattern("(?m)^paged .* 1 in flight$")
        .containsPattern("ERR( |\n|$)")
        .containsPattern("node-1 .*ejected +1/2 .*6789( |\n|$)")
        .containsPattern("20:31:05 .*a +.*upstream_error 502");
    if (width >= 50) {
      assertThat(all).containsPattern("(Serving, with i|I)nstances out: 12 of 16 in service");
    }
    if (width >= 80) {
      assertThat(all).contains("345 waiting").containsPattern("REQUESTS");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\u6a21\u578b\u6a21\u578b\u6a21\u578b\u6a21\u578b\u6a21\u578b\u6a21\u578b",
        "x\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00",
        "e\u0301e\u0301e\u0301e\u0301",
        "\u30c6\u30b9\u30c8"
      })
  void columnsLineUpWhateverTheNamesAreWrittenIn(String name) {
    List<Map<String, Object>> both =
        List.of(
            Told.instance(name.repeat(3), "paged", "routable", 0.5),
            Told.instance("plain", "paged", "routable", 0.5));
    for (int width : List.of(40, 50, 80, 81, 120)) {
      List<Screen.Line> lines = SCREEN.draw(Told.bad(both), Look.FIRST, width, 24, "");
      List<String> rows =
          lines.stream()
              .map(Screen.Line::text)
              .filter(l -> l.contains("routable") && !l.contains("STATE"))
              .toList();
      assertThat(rows).hasSize(2);
      assertThat(rows)
          .extracting(l -> Columns.of(l.substring(0, l.indexOf("routable"))))
          .as("where the state begins at %d columns", width)
          .hasSize(2)
          .allMatch(n ->
              n == Columns.of(rows.getFirst().substring(0, rows.getFirst().indexOf("routable"))));
      assertThat(lines)
          .allSatisfy(l -> {
            assertThat(Columns.of(l.text())).isLessThanOrEqualTo(width);
            assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(l.text()))
                .as("no half of a character")
                .isTrue();
          });
    }
  }

  @Test
  void widthIsThatOfATerminal() {
    assertThat(Columns.of("abc")).isEqualTo(3);
    assertThat(Columns.of("\u6a21\u578b")).isEqualTo(4);
    assertThat(Columns.of("\ud83d\ude00")).isEqualTo(2);
    assertThat(Columns.of("e\u0301")).isEqualTo(1);
    assertThat(Columns.first("\u6a21\u578b", 3)).isEqualTo("\u6a21");
    assertThat(Columns.first("e\u0301x", 1)).isEqualTo("e\u0301");
    assertThat(Columns.pad("\u6a21\u578b", 3)).isEqualTo("\u6a21 ");
    assertThat(Columns.first("a\ud83d\ude00", 2)).isEqualTo("a");
  }

  @Test
  void aQuestionCanBeAnsweredAtAnyWidth() {
    Look.Question q = new Look.Question("\u6a21".repeat(60), true);
    for (int width : List.of(40, 50, 80, 200)) {
      assertThat(q.text(width)).startsWith("Drain \u6a21").endsWith("(y/n)");
      assertThat(Columns.of(q.text(width))).isLessThanOrEqualTo(width);
    }
    assertThat(new Look.Question("a", true).text(80))
        .isEqualTo("Drain a at this router? It gets nothing new. (y/n)");
  }

  @Test
  void aThousandInstancesAreScrolledToTheMarkedOne() {
    List<Map<String, Object>> many = new ArrayList<>();
    for (int k = 0; k < 1000; k++) {
      many.add(Told.instance("node-%04d".formatted(k), "paged", "routable", k / 1000.0));
    }
    Board b = Told.board(many);
    Look look = Look.FIRST;
    for (int k = 0; k < 50; k++) {
      look = look.key(Keys.PAGE_DOWN, 1000, null).look();
    }
    assertThat(look.marked()).isEqualTo(500);
    List<String> lines = text(b, look, 80, 24);
    assertThat(lines).anyMatch(l -> l.startsWith("> node-0500"));
    assertThat(lines).anyMatch(l -> l.matches("  9[0-9]{2} more"));
  }

  @Test
  void onlyAsciiIsDrawnWhereNothingElseMayBe() {
    Screen s = new Screen("http://r:1", true, ZoneOffset.UTC);
    String all = "";
    for (Screen.Line l : s.draw(Told.board(TWO), Look.FIRST, 80, 24, "data is 5 s old")) {
      all += l.text();
    }
    assertThat(StandardCharsets.US_ASCII.newEncoder().canEncode(all)).isTrue();
    assertThat(all).contains("data is 5 s old");
  }

  @Test
  void namesCannotCommandTheTerminal() {
    Board b =
        Told.board(List.of(Told.instance("x\u001b]0;t\u0007\n\u009by", "paged", "routable", 1)));
    Look events = Look.FIRST.key("v", 1, null).look();
    for (Screen.Line l : SCREEN.draw(b, events, 80, 24, "")) {
      assertThat(l.text()).doesNotContainPattern("[\\p{Cntrl}\\x{9b}]");
    }
  }

  @Test
  void theFilterAndTheOrderAreWhatKeysMadeThem() {
    Board b = Told.board(TWO);
    Look look = Look.FIRST.key("/", 2, null).look();
    for (String key : List.of("d", "r", "x", Keys.BACK, "a", Keys.ENTER)) {
      look = look.key(key, 2, null).look();
    }
    assertThat(look.filter()).isEqualTo("dra");
    assertThat(Screen.rows(b, look)).hasSize(1);
    look = look.key(Keys.ESCAPE, 2, null).look();
    assertThat(Screen.rows(b, look)).hasSize(2);
    look = look.key("s", 2, null).look().key("s", 2, null).look();
    assertThat(look.sort()).isEqualTo(Look.Sort.P95);
    assertThat(Screen.rows(b, look).getFirst().path("name").asText()).isEqualTo("a");
    look = look.key("S", 2, null).look();
    assertThat(Screen.rows(b, look).getFirst().path("name").asText()).isEqualTo("b");
  }

  @Test
  void anInstanceIsDrainedOnlyAfterAYes() {
    Target a = new Target("a", false);
    Look.Step asked = Look.FIRST.key("D", 2, a);
    assertThat(asked.effect()).isInstanceOf(Nothing.class);
    assertThat(text(Told.board(TWO), asked.look(), 80, 24).getLast()).startsWith("Drain a at");
    assertThat(asked.look().key("q", 2, a).effect()).isInstanceOf(Nothing.class);
    assertThat(asked.look().key("y", 2, a).effect())
        .isEqualTo(new Act(new Look.Question("a", true)));
    Look.Step back = Look.FIRST.key("D", 2, new Target("b", true));
    assertThat(back.look().key("y", 2, a).effect())
        .isEqualTo(new Act(new Look.Question("b", false)));
    assertThat(Look.FIRST.key("q", 2, a).effect()).isInstanceOf(Quit.class);
    assertThat(Look.FIRST.key("D", 0, null).look().question()).isNull();
  }

  @Test
  void keysOfTerminalsAreUnderstood() throws Exception {
    String typed = "q\u001b[A\u001b[B\u001bOA\u001b[6~\r\u007f\u001b[1;5C\u0003";
    int[] at = {0};
    List<String> keys = new ArrayList<>();
    while (at[0] < typed.length()) {
      keys.add(Keys.next(millis -> at[0] < typed.length() ? typed.charAt(at[0]++) : -2, 1));
    }
    assertThat(keys)
        .containsExactly(
            "q",
            Keys.UP,
            Keys.DOWN,
            Keys.UP,
            Keys.PAGE_DOWN,
            Keys.ENTER,
            Keys.BACK,
            null,
            Keys.INTERRUPT);
  }
}
