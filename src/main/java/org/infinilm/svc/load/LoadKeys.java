package org.infinilm.svc.load;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.config.Key;

/// The settings of the load and of the server that takes it, named as vLLM's bench names them where
/// it has them.
public final class LoadKeys {
  static final List<String> BACKENDS = List.of("openai", "openai-chat");

  public static final Key<String> BACKEND =
      Key.oneOf(
          "backend",
          "openai-chat",
          BACKENDS,
          "What is sent: openai sends prompt, openai-chat sends messages.");
  public static final Key<String> URL =
      Key.text(
              "url",
              null,
              "Address of the router or server, http://host:port or https://host:port.")
          .shownFirst();
  public static final Key<String> BASE_URL = Key.text("base_url", null, "The same as --url.");
  public static final Key<String> HOST =
      Key.text("host", "127.0.0.1", "Host, when no --url is given.");
  public static final Key<Integer> PORT = Key.port("port", 8000, "Port, when no --url is given.");
  public static final Key<String> API_KEY =
      Key.text(
          "api_key",
          null,
          "Sent as a bearer token to --url alone, shown nowhere. Default: OPENAI_API_KEY, which the"
              + " list of processes does not show.");
  public static final Key<String> CA_FILE =
      Key.text("ca_file", null, "PEM certificates to believe of an https --url. Default: Java's.");
  public static final Key<String> TLS_SERVER_NAME =
      Key.text("tls_server_name", null, "Name in the certificate, when not the host of --url.");
  public static final Key<String> ENDPOINT =
      Key.text(
          "endpoint",
          null,
          "Path of the requests. Default: /v1/chat/completions, of the openai backend"
              + " /v1/completions.");
  public static final Key<Duration> THINK_TIME =
      Key.seconds("think_time", 0.0, 0, "Time between an answer and the next turn.");
  public static final Key<Boolean> IGNORE_EOS =
      Key.flag("ignore_eos", false, "Ask for answers of full length.");
  public static final Key<String> EXTRA_BODY =
      Key.text("extra_body", null, "JSON object whose members are added to every request.");
  public static final Key<Double> TEMPERATURE =
      Key.number("temperature", null, 0, 100, "Sent when given.");
  public static final Key<Long> MAX_CONCURRENCY =
      Key.whole("max_concurrency", null, 1, 100_000, "Most requests at a time.");
  public static final Key<Boolean> STREAM =
      Key.flag("stream", true, "Ask for streamed answers; --no-stream for whole ones.");
  public static final Key<Duration> REQUEST_TIMEOUT =
      Key.seconds("request_timeout", 1800.0, 0.001, "Longest time of one request.");
  public static final Key<Duration> READY_CHECK_TIMEOUT_SEC =
      Key.seconds(
          "ready_check_timeout_sec",
          10.0,
          0,
          "How long to wait for the server to answer; 0: do not look.");
  public static final Key<Double> LATE_BOUND_MS =
      Key.number(
          "late_bound_ms", 10.0, 0, 1e9, "Warn when the p99 of our own lateness is above this.");
  public static final Key<Duration> GAUGES_INTERVAL =
      Key.seconds(
          "gauges_interval",
          1.0,
          0,
          "How often /metrics of the engines is read for running and waiting requests and KV cache"
              + " usage; 0: never.");

  private LoadKeys() {}
}
