package org.infinilm.svc;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Benchmarks in Java are compiled when they are run, which is seldom.
class BenchmarkSourcesTest {
  /// What the program is compared with, fetched when it is.
  private static final String OTHERS = "import com.alibaba.fastjson2";

  @Test
  void benchmarksFitTheProgramAsItIs(@TempDir Path classes) throws IOException {
    List<Path> sources = new ArrayList<>();
    try (Stream<Path> all = Files.walk(Path.of("benchmarks"))) {
      for (Path p : all.filter(p -> p.toString().endsWith(".java")).toList()) {
        if (!Files.readString(p).contains(OTHERS)) {
          sources.add(p);
        }
      }
    }
    assertThat(sources).isNotEmpty();
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter said = new StringWriter();
    List<String> options =
        List.of(
            "-d",
            classes.toString(),
            "-proc:none",
            "--add-modules",
            "jdk.incubator.vector",
            "-classpath",
            System.getProperty("java.class.path"));
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      boolean compiles =
          compiler
              .getTask(said, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
              .call();
      assertThat(compiles).as(said.toString()).isTrue();
    }
  }
}
