package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Documents name tests; they exist.
class CompatibilityTest {
  private static final Pattern NAMED =
      Pattern.compile("`([A-Z]\\w+(?:Test|IT|Fuzz|Faults|Browser))\\.(\\w+)`");

  @ParameterizedTest
  @CsvSource({"compatibility.md, 30", "operations.md, 12", "newcomer.md, 30"})
  void everyTestThatTheDocumentNamesExists(String document, int atLeast) throws IOException {
    Map<String, String> sources = new TreeMap<>();
    try (Stream<Path> all = Files.walk(Path.of("src", "test", "java"))) {
      for (Path p : all.filter(f -> f.toString().endsWith(".java")).toList()) {
        sources.put(p.getFileName().toString().replace(".java", ""), Files.readString(p));
      }
    }
    Matcher m = NAMED.matcher(Files.readString(Path.of("docs", document)));
    int named = 0;
    while (m.find()) {
      named++;
      assertThat(sources).as(m.group()).containsKey(m.group(1));
      assertThat(sources.get(m.group(1))).as(m.group()).contains("void " + m.group(2) + "(");
    }
    assertThat(named).isGreaterThan(atLeast);
  }

  /// Every known defect of the earlier programs, and every numbered fault of the two reviews.
  @Test
  void everyNumberHasItsRowAndEveryRowItsTest() throws IOException {
    List<String> sections =
        List.of(Files.readString(Path.of("docs", "compatibility.md")).split("\n## "));
    List<String> earlier = new ArrayList<>();
    Stream.of(range("", 1, 49), List.of("11b", "51"), range("", 58, 68)).forEach(earlier::addAll);
    assertThat(rows(sections, "Babysitter and registration", "Registry", "Router"))
        .containsAll(earlier);
    List<String> router = new ArrayList<>(range("C", 1, 14));
    router.addAll(range("L", 1, 18));
    assertThat(rows(sections, "Faults that a review of this router found")).containsAll(router);
    List<String> others = new ArrayList<>(range("C", 1, 18));
    others.addAll(range("L", 1, 12));
    assertThat(rows(sections, "Faults that a review of registry, babysitter and deployment found"))
        .containsAll(others);
    assertThat(sections.toString().lines())
        .filteredOn(l -> l.matches("\\| ([CL]?\\d+b?) \\|.*"))
        .filteredOn(l -> !l.contains("`") && !l.contains("not changed"))
        .isEmpty();
  }

  @Test
  void everyPointOfTheNewcomerHasItsRow() throws IOException {
    String all = Files.readString(Path.of("docs", "newcomer.md"));
    assertThat(
            Pattern.compile("(?m)^\\| (\\d+) \\|.*`\\w+")
                .matcher(all)
                .results()
                .map(r -> r.group(1)))
        .containsExactlyElementsOf(range("", 1, 18));
  }

  private static List<String> range(String letter, int from, int to) {
    return IntStream.rangeClosed(from, to).mapToObj(n -> letter + n).toList();
  }

  private static List<String> rows(List<String> sections, String... titles) {
    Pattern row = Pattern.compile("(?m)^\\| ([CL]?\\d+b?) \\|");
    return sections.stream()
        .filter(s -> Stream.of(titles).anyMatch(t -> s.startsWith(t + "\n")))
        .flatMap(s -> row.matcher(s).results().map(r -> r.group(1)))
        .toList();
  }
}
