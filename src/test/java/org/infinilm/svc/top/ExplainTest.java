package org.infinilm.svc.top;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

class ExplainTest {
  /// It told of a history that was on that it could be turned on.
  @Test
  void whatIsUnknownIsToldByWhetherThereIsAHistory() {
    assertThat(ExplainProgram.unknown("x\u001b", true))
        .isEqualTo(
            "the router does not remember x?: neither among its last requests nor in its history,"
                + " which keeps a part of busy times (--history-rate)");
    assertThat(ExplainProgram.unknown("x", false)).contains("--history FILE, keeps those before");
  }

  @Test
  void whereLearnedCostsDecidedTheyAreToldAndNoThresholdIs() throws Exception {
    String d =
        """
        {"request_id":"r","method":"POST","path":"/v1/chat/completions","time":"2026-11-28T20:31:05Z",
         "model":"m","size":899,"metric":"body","threshold":51200,"instance":"p2","pool":"any","reason":"learned",
         "attempts":1,"outcome":"ok","status":200,"total_seconds":0.5,"queue_seconds":0,"ttft_seconds":0.1,
         "learned":{"decides":"learned","best":"p2","predicted_first_token_seconds":0.09,"first_token_seconds":0.1,
          "predicted_token_seconds":0.01,"loss":0.001,"rule_loss":null,"costs":[]},
         "candidates":[{"instance":"p1","pool":"paged","capacity_tokens":null,"why":"expected to lose 0.0027"}],
         "candidates_total":1}
        """;
    assertThat(ExplainProgram.lines(Json.tree(d.getBytes(UTF_8)), URI.create("http://r:1")))
        .contains(
            "  size       899 (body); learned costs decided, not the threshold of 51200",
            "    p1 (paged): expected to lose 0.0027")
        .anyMatch(l ->
            l.startsWith("  foretold   first token after")
                && l.endsWith("; loss 0.001, the fixed rule's choice -; decides: learned"));
  }

  @Test
  void aRefusedRequestIsToldWithItsErrorAndWithoutARuleThatNobodyAsked() throws Exception {
    String d =
        """
        {"request_id":"typo","method":"POST","path":"/v1/chat/completions","time":"2026-11-28T20:31:05Z",
         "model":"sohrt","size":31,"metric":"body","threshold":0,"instance":null,"outcome":"client_error","status":404,
         "error":{"code":"model_not_found","message":"did you mean \\"short\\"?\\u001b[31m"},"total_seconds":0.001,
         "queue_seconds":0,"ttft_seconds":null,"candidates":[],"candidates_total":0,"trace_id":"0af7"}
        """;
    assertThat(ExplainProgram.lines(Json.tree(d.getBytes(UTF_8)), URI.create("http://r:1")))
        .contains(
            "  model      sohrt",
            "  size       31 (body)",
            "  sent to    nobody",
            "  ended      client_error, 404",
            "  candidates none",
            "  trace      0af7")
        .anyMatch(l -> l.startsWith("  error      model_not_found: did you mean \"short\"?"))
        .noneMatch(l -> l.contains("\u001b"));
  }
}
