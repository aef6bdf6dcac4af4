package org.infinilm.svc.top;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

class InstanceProgramsTest {
  @Test
  void aServerIsWrittenAsWithTheFlag() throws Exception {
    assertThat(InstancePrograms.body("http://h:1,name=a,weight=3", true))
        .isEqualTo(Map.of("url", "http://h:1", "name", "a", "weight", "3", "keep", true));
    assertThatThrownBy(() -> InstancePrograms.body("http://h:1,paged", false))
        .hasMessage("instance add: paged (expected: KEY=VALUE)");
  }

  @Test
  void aListIsAlignedAndSaysWhatKeepsWhomOut() throws Exception {
    String services =
        """
        [{"name":"long-name","state":"routable","in_flight":2,"queued":0,"weight":1,"tier":1,"source":"registry","url":"http://h:1","why_out":null},
         {"name":"b","state":"draining","in_flight":0,"queued":0,"weight":3,"tier":2,"source":"dns","url":"http://h:2","why_out":"it was drained at this router"}]
        """;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    InstancePrograms.print(Json.tree(services.getBytes(UTF_8)), new PrintStream(out, true, UTF_8));
    assertThat(out.toString(UTF_8).lines())
        .containsExactly(
            "NAME       STATE     IN FLIGHT  QUEUED  WEIGHT  TIER  FROM      URL",
            "long-name  routable  2          0       1       1     registry  http://h:1",
            "b          draining  0          0       3       2     dns       http://h:2  it was drained at this router");
  }
}
