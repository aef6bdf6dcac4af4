package org.infinilm.svc.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.simulator.LeapSettings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Fleet and trace files: what is read, and how what cannot be read is named.
class InputsTest {
  @TempDir Path folder;

  private TraceFile trace(String text) throws IOException, ConfigException {
    Path f = folder.resolve("t");
    Files.writeString(f, text);
    return TraceFile.read(f, 300);
  }

  @Test
  void aFleetFileIsRead() throws ConfigException {
    FleetPlan p =
        FleetPlan.parse(
            "f",
            """
            # two of them
            b static tokens=4096 seats=1 down=0..1
            a chunked profile=8b batch=16 slow=3@0.2..0.5   # slow for a while
            limits ttft=1.5 tpot=0.03 threshold=1000
            """);
    assertThat(p.nodes()).extracting(Node::name).containsExactly("a", "b");
    assertThat(p.nodes().get(0).engine().kind()).isEqualTo(LeapSettings.Kind.CHUNKED);
    assertThat(p.nodes().get(0).slowFactor()).isEqualTo(3);
    assertThat(p.nodes().get(0).slowTo()).isEqualTo(0.5);
    assertThat(p.nodes().get(1).engine().capacityTokens()).isEqualTo(4096);
    assertThat(p.nodes().get(1).seats()).isEqualTo(1);
    assertThat(p.nodes().get(1).crashes()).isTrue();
    assertThat(p.nodes().get(0).crashes()).isFalse();
    assertThat(p.ttftNanos()).isEqualTo(1.5e9);
    assertThat(p.thresholdBytes()).isEqualTo(1000);
    assertThat(FleetPlan.of("4+1").nodes()).hasSize(5);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a flat | f:1: flat (expected: paged, static, chunked or slots)",
        "a | f:1: a (expected: NAME paged!static!chunked!slots)",
        "a paged tokens=12 | f:1: tokens=12 (expected: 256..67108864)",
        "a paged tokens=many | f:1: tokens=many (expected: 256..67108864)",
        "a paged profile=70b | f:1: profile=70b (expected: one of 9b, 8b, 32b)",
        "a paged colour=red | f:1: colour (expected: profile, tokens, batch, step, seats, count, slow or down)",
        "a paged down=.5 | f:1: down=.5 (expected: FROM..TO, as in .3..0.7)",
        "a paged down=.5...2 | f:1: down=.5...2 (expected: FROM below TO)",
        "a paged slow=3 | f:1: slow=3 (expected: FACTOR@FROM..TO, as in 3@.3..0.7)",
        "a paged slow=1.2.3@0..1 | f:1: slow=1.2.3@0..1 (expected: FACTOR@FROM..TO, as in 3@.3..0.7)",
        "a paged slow=.@0..1 | f:1: slow=.@0..1 (expected: FACTOR@FROM..TO, as in 3@.3..0.7)",
        "a paged seats | f:1: seats (expected: setting=value, each once)",
        "limits ttft=0 | f:1: ttft=0 (expected: 0.001..3600)",
        "# nothing | f: no instance (expected: lines of NAME paged!static!chunked!slots)",
      })
  void whatIsWrongInAFleetFileIsNamed(String line, String message) {
    assertThatThrownBy(() -> FleetPlan.parse("f", line + "\n"))
        .isInstanceOf(ConfigException.class)
        .hasMessage(message.replace("!", "|"));
  }

  @Test
  void aNameGivenTwiceIsNamedWithItsLine() {
    assertThatThrownBy(() -> FleetPlan.parse("f", "a paged\n\na static\n"))
        .hasMessageStartingWith("f:3: a (expected: a new name");
    assertThatThrownBy(() -> FleetPlan.of("no-such-fleet"))
        .hasMessage(
            "fleet: no-such-fleet cannot be read (expected: a file, or paged+static as in 2+2)");
  }

  @Test
  void azuresColumnsAreRead() throws Exception {
    Workload w =
        trace(
                """
                TIMESTAMP,ContextTokens,GeneratedTokens
                2023-11-16 18:15:46.6805900,374,44
                2023-11-16 18:15:47.6805900,396,109
                2023-11-16 18:15:49.6805900,879,55
                """)
            .at(1, 2);
    assertThat(w.requests()).hasSize(3);
    assertThat(w.requests()).extracting(r -> r.job().promptTokens()).contains(374, 396, 879);
  }

  @Test
  void burstGptsColumnsAreReadAndWhatHasNoAnswerIsLeftOut() throws Exception {
    Workload w =
        trace(
                """
                Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
                5,ChatGPT,472,18,490,Conversation log
                45,ChatGPT,1087,230,1317,Conversation log
                118,GPT-4,417,0,417,Conversation log
                119,GPT-4,417,276,693,Conversation log
                """)
            .at(1, 1);
    assertThat(w.requests()).extracting(r -> r.job().outputTokens()).contains(18, 230, 276);
    assertThat(w.requests()).hasSize(3);
  }

  @Test
  void mooncakesBlocksBecomeTextsInCommon() throws Exception {
    Workload w =
        trace(
                """
                {"timestamp": 0, "input_length": 1100, "output_length": 50, "hash_ids": [1, 2, 3]}
                {"timestamp": 1000, "input_length": 1600, "output_length": 60, "hash_ids": [1, 2, 3, 4]}
                {"timestamp": 2000, "input_length": 700, "output_length": 70, "hash_ids": [8, 9]}
                """)
            .at(1, 1);
    Request first = of(w, 1100);
    Request second = of(w, 1600);
    assertThat(second.job().text()).isEqualTo(first.job().text());
    assertThat(second.job().sharedTokens()).isEqualTo(3 * 512);
    assertThat(of(w, 700).job().text()).isNotEqualTo(first.job().text());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\uFEFFarrival_s,prompt_tokens,output_tokens\r\n0,100,10\r\n\r\n1,200,10\r\n",
        "\"arrival_s\",\"prompt_tokens\",\"output_tokens\"\n\"0\",\"100\",\"10\"\n\"1\",\"200\",\"10\"",
        "note,arrival_s,prompt_tokens,output_tokens\n\"a, \"\"b\"\"\",0,100,10\n,1,200,10\n",
        """
        \uFEFF{"timestamp":0,"input_length":100,"output_length":10}
        {"timestamp":1000,"input_length":200,"output_length":10}
        """,
      })
  void traceFilesAreReadAsSpreadsheetsAndScriptsWriteThem(String text) throws Exception {
    Workload w = trace(text).at(1, 1);
    assertThat(w.requests()).hasSize(2);
    assertThat(of(w, 100).job().outputTokens()).isEqualTo(10);
    assertThat(of(w, 200).job().outputTokens()).isEqualTo(10);
  }

  private static Request of(Workload w, int promptTokens) {
    return w.requests().stream()
        .filter(r -> r.job().promptTokens() == promptTokens)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void ownColumnsTellConversationsLimitsAndKinds() throws Exception {
    Workload w =
        trace(
                """
                arrival_s,prompt_tokens,output_tokens,max_tokens,conversation,text
                0,100,10,50,c1,cjk
                1,200,10,0,c1,english
                """)
            .at(1, 1);
    assertThat(of(w, 200).job().sharedTokens()).isEqualTo(110);
    assertThat(of(w, 200).key()).isEqualTo(of(w, 100).key()).isNotZero();
    assertThat(of(w, 100).text()).isEqualTo(Text.CJK);
    assertThat(of(w, 100).maxTokens()).isEqualTo(50);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1,2 | t:1: no column for time (expected: one of arrival_s, timestamp)",
        "arrival_s,prompt_tokens,output_tokens\\n1,x,3\\n2,3,4 | t:2: prompt x (expected: 1..16777216)",
        "arrival_s,prompt_tokens,output_tokens\\n1,2,3\\n2,3 | t:3: output missing (expected: 0..16777216)",
        "arrival_s,prompt_tokens,output_tokens\\nnow,2,3 | t:2: time now (expected: seconds, or 2023-11-16 18:15:46.6805900)",
        "arrival_s,prompt_tokens,output_tokens\\n1,2,3 | t: 1 requests (expected: 2 or more)",
        "arrival_s,prompt_tokens,output_tokens\\n5,2,3\\n5,3,4 | t: all 2 requests at one time, 5.0 s (expected: times that go on, which are scaled to the rate)",
        "arrival_s,prompt_tokens,output_tokens\\n1,2,3\\n\"2,3,4 | t:3: \"2,3,4 (expected: cells with commas between them, RFC 4180)",
        "{\"timestamp\":1,\"input_length\":2,\"output_length\":3,\"hash_ids\":[\"h1\"]} | t:1: hash_ids \"h1\" (expected: whole numbers)",
        "'' | t: empty (expected: a header and a line a request)",
        "{\"timestamp\":1,\"input_length\":2,\"output_length\":3} {} | t:1: {\"timestamp\":1,\"input_length\":2,\"output_length\":3} {} (expected: one JSON object)",
        "{\"timestamp\": 1}\\nx | t:1: input_length missing (expected: a number, 1..16777216)",
      })
  void whatIsWrongInATraceIsNamedWithItsLine(String text, String message) {
    assertThatThrownBy(() -> trace(text.replace("\\n", "\n")))
        .isInstanceOf(ConfigException.class)
        .hasMessageEndingWith(message);
  }
}
