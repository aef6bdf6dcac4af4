package org.infinilm.svc.simulator;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What each fault looks like on the wire.
class FaultsIT {
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final String CHAT = "/v1/chat/completions";
  private static final String PLAIN = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
  private static final String STREAM =
      "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}";
  private static final String LAST_CHUNK = "\r\n0\r\n\r\n";
  private static final int PATIENT = 5000;
  private static final int BRIEF = 300;

  private SimulatedInstance instance;

  @BeforeEach
  void start() throws IOException {
    instance = SimulatedInstance.start(Options.paged("p", "m"));
  }

  @AfterEach
  void stop() {
    instance.close();
  }

  private Wiretap with(String fault, String json, int patienceMillis) throws IOException {
    return Wiretap.post(instance, CHAT, json, patienceMillis, "x-simulate-fault: " + fault);
  }

  private static int tokens(Wiretap w) {
    return w.bytes().split("\"delta\":\\{\"content\":\"[^\"]", -1).length - 1;
  }

  @Test
  void withoutAFaultAStreamEndsWithTheLastChunk() throws Exception {
    Wiretap w = Wiretap.post(instance, CHAT, STREAM, PATIENT);
    assertThat(w.bytes()).endsWith("data: [DONE]\n\n" + LAST_CHUNK);
    assertThat(w.end()).isEqualTo(Wiretap.End.CLOSED);
    assertThat(tokens(w)).isEqualTo(16);
  }

  @Test
  void resetCutsTheStreamWithAReset() throws Exception {
    Wiretap w = with("reset:after=3", STREAM, PATIENT);
    assertThat(w.end()).isEqualTo(Wiretap.End.RESET);
    assertThat(w.bytes()).doesNotContain("[DONE]");
    assertThat(tokens(w)).isLessThanOrEqualTo(3);
    assertThat(instance.running()).isZero();
  }

  @Test
  void truncateEndsTheStreamWithoutTheLastChunk() throws Exception {
    Wiretap w = with("truncate:after=2", STREAM, PATIENT);
    assertThat(w.end()).isEqualTo(Wiretap.End.CLOSED);
    assertThat(tokens(w)).isEqualTo(2);
    assertThat(w.bytes()).doesNotContain("[DONE]").doesNotEndWith(LAST_CHUNK);
  }

  @Test
  void aCutBeyondTheLastTokenStillCuts() throws Exception {
    Wiretap w = with("truncate:after=999", STREAM, PATIENT);
    assertThat(tokens(w)).isEqualTo(16);
    assertThat(w.bytes()).doesNotContain("[DONE]").doesNotEndWith(LAST_CHUNK);
  }

  @Test
  void stallSendsNothingMoreAndEndsWithTheClient() throws Exception {
    Wiretap w = with("stall:after=2", STREAM, BRIEF);
    assertThat(w.end()).isEqualTo(Wiretap.End.SILENT);
    assertThat(tokens(w)).isEqualTo(2);
    await().until(instance::cancelled, n -> n == 1);
    await().until(instance::running, n -> n == 0);
  }

  @Test
  void hangBeforeHeadSendsNothing() throws Exception {
    Wiretap w = with("hang-before-head", PLAIN, BRIEF);
    assertThat(w).isEqualTo(new Wiretap("", Wiretap.End.SILENT));
    await().until(instance::cancelled, n -> n == 1);
    await().until(instance::running, n -> n == 0);
  }

  @Test
  void headThenHangSendsTheHeadAlone() throws Exception {
    Wiretap w = with("head-then-hang", STREAM, BRIEF);
    assertThat(w.end()).isEqualTo(Wiretap.End.SILENT);
    assertThat(w.bytes()).startsWith("HTTP/1.1 200").endsWith("\r\n\r\n");
    await().until(instance::running, n -> n == 0);
  }

  @Test
  void closeAndResetBeforeHeadSendNothing() throws Exception {
    assertThat(with("close-before-head", PLAIN, PATIENT))
        .isEqualTo(new Wiretap("", Wiretap.End.CLOSED));
    assertThat(with("reset-before-head", PLAIN, PATIENT))
        .isEqualTo(new Wiretap("", Wiretap.End.RESET));
  }

  @Test
  void statusAnswersIt() throws Exception {
    Wiretap w = with("status:code=429,retry-after=3", PLAIN, PATIENT);
    assertThat(w.bytes()).startsWith("HTTP/1.1 429").contains("retry-after: 3\r\n");
    assertThat(w.bytes()).contains("\"code\":\"simulated_fault\"");
  }

  @Test
  void documentsAreCutInTheirMiddle() throws Exception {
    Wiretap cut = with("truncate", PLAIN, PATIENT);
    assertThat(cut.end()).isEqualTo(Wiretap.End.CLOSED);
    assertThat(cut.bytes()).contains("content-length: ").doesNotContain("total_tokens");
    assertThat(with("stall", PLAIN, BRIEF).end()).isEqualTo(Wiretap.End.SILENT);
    assertThat(with("reset", PLAIN, PATIENT).end()).isEqualTo(Wiretap.End.RESET);
  }

  @Test
  void wrongContentLengthPromisesMoreThanComes() throws Exception {
    Wiretap w = with("wrong-content-length", PLAIN, PATIENT);
    int head = w.bytes().indexOf("\r\n\r\n") + 4;
    int promised = Integer.parseInt(w.bytes().replaceAll("(?s).*content-length: (\\d+).*", "$1"));
    assertThat(promised).isGreaterThan(w.bytes().length() - head);
    assertThat(w.end()).isEqualTo(Wiretap.End.CLOSED);
    assertThat(with("wrong-content-length", STREAM, PATIENT).bytes()).contains("[DONE]");
  }

  @Test
  void wrongContentTypeSaysText() throws Exception {
    assertThat(with("wrong-content-type", PLAIN, PATIENT).bytes())
        .contains("content-type: text/plain");
    assertThat(with("wrong-content-type", STREAM, PATIENT).bytes())
        .contains("content-type: text/plain")
        .contains("[DONE]");
  }

  @Test
  void anInformationalAnswerComesFirst() throws Exception {
    for (String body : List.of(PLAIN, STREAM)) {
      Wiretap w = with("1xx:code=103", body, PATIENT);
      assertThat(w.bytes()).startsWith("HTTP/1.1 103 ").contains("\r\n\r\nHTTP/1.1 200 ");
      assertThat(w.bytes()).contains(body.equals(PLAIN) ? "Hello from p" : "[DONE]\n\n\r\n0\r\n");
    }
  }

  @Test
  void slowDripComesWholeInTheEnd() throws Exception {
    for (String body : List.of(PLAIN, STREAM)) {
      Wiretap w = with("slow-drip:delay=0", body, PATIENT);
      assertThat(w.end()).isEqualTo(Wiretap.End.CLOSED);
      assertThat(w.bytes()).startsWith("HTTP/1.1 200");
    }
    assertThat(instance.completed()).isEqualTo(2);
  }

  @Test
  void unhealthyFailsHealthAlone() throws Exception {
    instance.faults("unhealthy");
    Client client = Client.create();
    assertThat(client.get(instance.url().resolve("/health"), SOON).status()).isEqualTo(503);
    assertThat(Wiretap.post(instance, CHAT, PLAIN, PATIENT).bytes()).startsWith("HTTP/1.1 200");
    instance.faults();
    assertThat(client.get(instance.url().resolve("/health"), SOON).status()).isEqualTo(200);
  }

  @Test
  void faultsAreSetAndReadOverHttp() throws Exception {
    Client client = Client.create();
    URI faults = instance.url().resolve("/faults");
    assertThat(client.post(faults, List.of("status:count=1"), SOON).status()).isEqualTo(200);
    assertThat(new String(client.get(faults, SOON).body(), UTF_8))
        .isEqualTo("[\"status:count=1\"]");
    assertThat(Wiretap.post(instance, CHAT, PLAIN, PATIENT).bytes()).startsWith("HTTP/1.1 503");
    assertThat(Wiretap.post(instance, CHAT, PLAIN, PATIENT).bytes()).startsWith("HTTP/1.1 200");
    Client.Reply wrong = client.post(faults, List.of("explode"), SOON);
    assertThat(wrong.status()).isEqualTo(400);
    assertThat(new String(wrong.body(), UTF_8)).contains("fault explode (expected: one of");
    assertThat(with("explode", PLAIN, PATIENT).bytes()).startsWith("HTTP/1.1 400");
    assertThat(with("refuse", PLAIN, PATIENT).bytes()).contains("that a single request can have");
  }

  @Test
  void refuseStopsListeningUntilItsDelayIsOver() throws Exception {
    Client client = Client.create();
    instance.faults("refuse");
    assertThatThrownBy(() -> new Socket("127.0.0.1", instance.port()).close())
        .isInstanceOf(IOException.class);
    instance.startListening();
    client.post(instance.url().resolve("/faults"), List.of("refuse:delay=2"), SOON);
    // a look each 20 ms cannot miss two seconds
    await().pollInterval(Duration.ofMillis(20)).until(() -> !listens());
    await().until(this::listens);
    assertThat(Wiretap.post(instance, CHAT, PLAIN, PATIENT).bytes()).startsWith("HTTP/1.1 200");
  }

  private boolean listens() {
    try (Socket s = new Socket("127.0.0.1", instance.port())) {
      return s.isConnected();
    } catch (IOException refused) {
      return false;
    }
  }
}
