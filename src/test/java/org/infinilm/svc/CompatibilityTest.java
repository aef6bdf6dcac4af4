package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// docs/compatibility.md names tests; they exist.
class CompatibilityTest {
  private static final Pattern NAMED =
      Pattern.compile("`([A-Z]\\w+(?:Test|IT|Fuzz|Faults))\\.(\\w+)`");

  @Test
  void everyTestThatTheDocumentNamesExists() throws IOException {
    Map<String, String> sources = new TreeMap<>();
    try (Stream<Path> all = Files.walk(Path.of("src", "test", "java"))) {
      for (Path p : all.filter(f -> f.toString().endsWith(".java")).toList()) {
        sources.put(p.getFileName().toString().replace(".java", ""), Files.readString(p));
      }
    }
    Matcher m = NAMED.matcher(Files.readString(Path.of("docs", "compatibility.md")));
    int named = 0;
    while (m.find()) {
      named++;
      assertThat(sources).as(m.group()).containsKey(m.group(1));
      assertThat(sources.get(m.group(1))).as(m.group()).contains("void " + m.group(2) + "(");
    }
    assertThat(named).isGreaterThan(30);
  }
}
