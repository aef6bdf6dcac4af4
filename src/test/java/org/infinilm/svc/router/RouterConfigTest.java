package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.registry.TableHome;
import org.infinilm.svc.tls.TlsSettings;
import org.infinilm.svc.trace.TraceSettings;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RouterConfigTest {
  /// Each setting, a value that is not its default, and where that arrives. Origins and proxies
  /// have CorsIT and ForwardingTest, the others of history HistorySettingsTest, those of traces
  /// TraceContextTest, those of TLS TlsSettingsTest and RouterTlsIT.
  private static final String SETTINGS =
      """
      host | 127.0.0.9 | host=127.0.0.9
      router_port | 8123 | port=8123
      registry_url | http://h:1 | registry=http://h:1
      registry_token | t0ken | registryToken=t0ken
      discover | dns:a:5 | text=dns:a:5
      static_services | /x/s.json | staticServices=/x/s.json
      added_instances | /x/a.json | addedInstances=/x/a.json
      health_interval | 7 | healthInterval=PT7S
      health_timeout | 3 | healthTimeout=PT3S
      max_errors | 9 | maxErrors=9
      registry_sync_interval | 4 | syncInterval=PT4S
      service_removal_grace_period | 11 | grace=PT11S
      policy | session | policy=session
      size_metric | tokens | metric=TOKENS
      threshold | 77 | threshold=77
      model_thresholds | a=5 | thresholds={a=5}
      threads | 3 | threads=3
      transport | nio | transport=NIO
      framing | codec | framing=CODEC
      decision_headers | false | decisionHeaders=false
      access_log | false | accessLog=false
      decisions | 99 | decisions=99
      session_header | x-s | sessionHeader=x-s
      admin_token | t0ken | adminToken=t0ken
      loopback_needs_token | true | loopbackNeedsToken=true
      ui_hosts | A.b | uiHosts=[a.b]
      informational | relay | relaysInformational=true
      sse_comments | 15 | sseComments=Optional[PT15S]
      history | /x/h.db | file=/x/h.db
      otlp_endpoint | http://h:4318 | receiver=http://h:4318/v1/traces
      aliases | a=b | aliases={a=b}
      alias_answers | name | answersByAlias=true
      unknown_model_status | 503 | unknownStatus=503
      objective | e2e | kind=E2E
      slo_ttft | 0.5 | firstNanos=5.0E8
      slo_tpot | 0.025 | tokenNanos=2.5E7
      model_limits | m=1/0.1 | ofModels={m=
      learned_state | /x/l.json | stateFile=/x/l.json
      decision_log | /x/d.jsonl | logFile=/x/d.jsonl
      decision_log_bytes | 99999 | logBytes=99999
      engine_gauges | false | gauges=false
      affinity | text | affinity=TEXT
      static_seats | 5 | staticSeats=5
      paged_seats | any | publishedSeats=false
      queue_limit | 6 | queueLimit=6
      queue_timeout | 8 | queueTimeout=PT8S
      queue_order | fifo | order=FIFO
      queue_ageing | 10 | ageingBytes=10
      spill | true | spill=true
      proxy_timeout | 20 | proxy=PT20S
      connect_timeout | 2 | connect=PT2S
      first_byte_timeout | 12 | firstByte=Optional[PT12S]
      first_byte_timeout_per_mb | 13 | firstBytePerMb=PT13S
      idle_timeout | 14 | idle=PT14S
      head_timeout | 16 | head=PT16S
      body_timeout | 17 | bodyPause=PT17S
      min_body_rate | 18 | minBodyRate=18
      idle_connection | 19 | idle=PT19S
      client_stall | 21 | clientStall=PT21S
      min_client_rate | 22 | minClientRate=22
      max_body_bytes | 23 | maxBodyBytes=23
      max_buffered_bytes | 24 | maxBufferedBytes=24
      max_connections | 25 | maxConnections=25
      max_connections_per_peer | 26 | PerPeer=26
      lame_duck | 27 | lameDuck=PT27S
      drain_timeout | 28 | drainTimeout=PT28S
      """;

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = SETTINGS)
  void aSettingArrivesFromTheFlagTheEnvironmentAndNowhereElse(
      String key, String value, String arrives) throws Exception {
    Map<String, String> beside =
        switch (key) {
          case "first_byte_timeout_per_mb" -> Map.of("first_byte_timeout", "1");
          case "loopback_needs_token" -> Map.of("admin_token", "t");
          default -> Map.of();
        };
    Map<String, String> flags = new HashMap<>(beside);
    flags.put(key, value);
    assertThat(config(flags, Map.of())).contains(arrives);
    String variable = "INFINI_" + key.toUpperCase(Locale.ROOT);
    assertThat(config(beside, Map.of(variable, value))).contains(arrives);
    assertThat(config(beside, Map.of())).doesNotContain(arrives);
  }

  private static String config(Map<String, String> flags, Map<String, String> environment)
      throws ConfigException {
    return RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, environment, null)).toString();
  }

  @Test
  void everySettingIsInTheTable() {
    Set<String> listed =
        SETTINGS.lines().map(l -> l.substring(0, l.indexOf(' '))).collect(Collectors.toSet());
    assertThat(RouterConfig.KEYS.stream().filter(k -> !k.isTables()).map(Key::name))
        .allMatch(k ->
            listed.contains(k)
                || k.equals("cors_origins")
                || k.equals("trusted_proxies")
                || TraceSettings.KEYS.stream().anyMatch(t -> t.name().equals(k))
                || TlsSettings.KEYS.stream().anyMatch(t -> t.name().equals(k))
                || TableHome.KEYS.stream().anyMatch(t -> t.name().equals(k))
                || k.startsWith("history_"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "session_header | bad header | --session-header: bad header (expected: a header field's name)",
        "session_header | x: y | --session-header: x: y (expected: a header field's name)",
        "transport | kqueue | --transport: kqueue (expected: one of auto, epoll, io_uring, nio)",
        "max_body_bytes | 2147483648 | --max-body-bytes: 2147483648 (expected: a whole number 1..2147483647)",
        "model_thresholds | a=-1 | --model-thresholds: a=-1 (expected: MODEL=N, a whole number of 0 or more)",
        "model_thresholds | a=1,a=2 | --model-thresholds: a given twice (expected: once)",
        "model_limits | m=1 | --model-limits: m=1 (expected: MODEL=TTFT/TPOT in seconds, both above 0)",
        "model_limits | m=0/1 | --model-limits: m=0/1 (expected: MODEL=TTFT/TPOT in seconds, both above 0)",
        "model_limits | 'm=1/1,m=2/2' | --model-limits: m given twice (expected: once)",
        "discover | dns:a:0 | --discover: dns:a:0 (expected: a port 1..65535)",
        "registry_url | ftp://u:secret@h:1 | --registry-url: ftp://...@h:1 (expected: http://host:port, or etcd://HOST:PORT,HOST:PORT/PREFIX)",
        "registry_url | etcd://h:1,h:2/a b | --registry-url: etcd://h:1,h:2/a b (expected: etcd://HOST:PORT,HOST:PORT/PREFIX, or etcds:// for TLS)",
        "host | 5 | --host: 5 (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "host | 10.0.0.300 | --host: 10.0.0.300 (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "host | http://h | --host: http://h (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "host | h:80 | --host: h:80 (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "host | '' | --host:  (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "ui_hosts | 'ok,http://u:pw@x' | --ui-hosts: http://...@x (expected: an IPv4 or IPv6 address, or a host's name, without scheme and port)",
        "loopback_needs_token | true | --loopback-needs-token: true without admin_token (expected: both)",
        "trusted_proxies | '10.0.0.0/8,10.0.0.0/33' | --trusted-proxies: 10.0.0.0/33 (expected: addresses or ranges such as 10.0.0.0/8)",
        "cors_origins | https://h:99999 | --cors-origins: https://h:99999 (expected: https://host[:port], or *)",
        "cors_origins | https://h/ | --cors-origins: https://h/ (expected: https://host[:port], or *)",
        "otlp_endpoint | http://127.0.0.1:99999 | '--otlp-endpoint: http://127.0.0.1:99999 (expected: http://host:4318, without user, query and /v1/traces)'",
        "store_user | root | --store-user: given without an etcd (expected: etcd://HOST:PORT,...)",
      })
  void aWrongValueIsNamed(String key, String value, String message) {
    Map<String, String> flags = Map.of(key, value);
    assertThatThrownBy(
            () -> RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null)))
        .isInstanceOf(ConfigException.class)
        .hasMessage(message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0.0.0.0",
        "127.0.0.1",
        "::",
        "::1",
        "[::1]",
        "fe80::1",
        "localhost",
        "gpu_01",
        "a.b.c",
        "gpu-1.example.org.",
        "4gpu"
      })
  void whatCanBeListenedOnIsTaken(String host) throws Exception {
    assertThat(config(Map.of("host", host), Map.of())).contains("host=" + host + ",");
    assertThat(config(Map.of("ui_hosts", "x, " + host), Map.of())).contains("uiHosts=[");
  }

  @Test
  void aPathThatCannotBeIsRefused() {
    assertThatThrownBy(() -> config(Map.of("history", "a\0b"), Map.of()))
        .hasMessage("--history: a\0b (expected: a path that this system can have)");
  }

  /// Who decides late lets nothing stand ready at a static instance, unless told to.
  @Test
  void aStaticInstanceHasOnePlaceUnderAdaptive() throws Exception {
    for (String[] c :
        new String[][] {{"cache-type", "", "2"}, {"adaptive", "", "1"}, {"adaptive", "2", "2"}}) {
      Map<String, String> said =
          c[1].isEmpty() ? Map.of("policy", c[0]) : Map.of("policy", c[0], "static_seats", c[1]);
      Config config = Config.resolve(RouterConfig.KEYS, said, Map.of(), null);
      assertThat(Seating.of(config).staticSeats()).isEqualTo(Integer.parseInt(c[2]));
    }
  }

  /// Node's fetch and Python's aiohttp give up after 300 s, the SDKs of OpenAI and Anthropic after
  /// 600 s.
  @Test
  void whoWaitsInLineIsToldSoBeforeClientsGiveUp() throws Exception {
    Config c = Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), null);
    assertThat(Seating.of(c).queueTimeout()).isLessThan(Duration.ofMinutes(5));
  }

  @Test
  void noPasswordStandsInAMessage() {
    assertThatThrownBy(() -> StaticServices.instance("http://u:secret@h:1,name=a", Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("http://...@h:1 (expected: http://host:port or https://host:port)")
        .hasMessageNotContaining("secret");
    assertThatThrownBy(
            () -> StaticServices.instance("http://h:1,health_url=http://u:secret@h:1/x", Map.of()))
        .hasMessageNotContaining("secret");
  }

  @Test
  void aNameToAskForIsAHostsName() {
    assertThatThrownBy(() -> StaticServices.instance("https://h:1,tls_server_name=a b", Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("tls_server_name=a b (expected: a host name");
  }

  private static @Nullable String alone(Map<String, String> settings) throws ConfigException {
    return RouterProgram.alone(
        RouterConfig.of(Config.resolve(RouterConfig.KEYS, settings, Map.of(), null)));
  }

  @Test
  void aRouterThatCanKnowNoOtherSaysSo() throws ConfigException {
    assertThat(alone(Map.of("discover", "kubernetes"))).contains("--registry-url");
    assertThat(alone(Map.of("discover", "kubernetes", "registry_url", "http://h:1"))).isNull();
    assertThat(alone(Map.of())).isNull();
  }
}
