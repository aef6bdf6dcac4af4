package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.CacheType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StaticServicesTest {
  private static final String LIST =
      """
      [
        {"name": "a", "host": "10.0.0.1", "port": 8100, "weight": 3, "max_fails": 2,
         "metadata": {"models": ["m"], "cache_type": "paged", "num_blocks": 4, "block_size": 16}},
        {"name": "b", "host": "::1", "port": 8200, "backup": true}
      ]\
      """;

  private static List<Known> parse(String json) throws ConfigException {
    return StaticServices.parse(
        "s.json", json.getBytes(UTF_8), Map.of("KEY", "sk-1", "BAD", "sk\u00fc"));
  }

  private static Known instance(String spec) throws ConfigException {
    return StaticServices.instance(spec, Map.of("KEY", "sk-1"));
  }

  @Test
  void allThreeShapesGiveTheSame() throws Exception {
    List<Known> plain = parse(LIST);
    assertThat(parse("{\"services\":" + LIST + "}")).isEqualTo(plain);
    assertThat(parse("{\"static_services\":{\"services\":" + LIST + "}}")).isEqualTo(plain);
    assertThat(parse("{\"services\":[],\"static_services\":{\"services\":" + LIST + "}}"))
        .isEqualTo(plain);
    Known a = plain.getFirst();
    assertThat(a.url()).isEqualTo("http://10.0.0.1:8100");
    assertThat(a.weight()).isEqualTo(3);
    assertThat(a.models()).containsExactly("m");
    assertThat(a.cacheType()).isEqualTo(CacheType.PAGED);
    assertThat(a.fixed()).isTrue();
    Known b = plain.get(1);
    assertThat(b.url()).isEqualTo("http://[::1]:8200");
    assertThat(b.models()).as("read from the server").isNull();
    assertThat(b.weight()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"name\":\"x\",\"host\":\"h\"} | :3: services[1].port: missing (expected: 1..65535)",
        "{\"name\":\"x\",\"host\":\"h\",\"port\":0} | :3: services[1].port: 0 (expected: 1..65535)",
        "{\"name\":\"x\",\"host\":\"h\",\"port\":\"80\"} | :3: services[1].port: \"80\" (expected: 1..65535)",
        "{\"name\":\"x\",\"port\":1} | :3: services[1].host: missing (expected: a text)",
        "{\"name\":7,\"host\":\"h\",\"port\":1} | :3: services[1].name: 7 (expected: a text)",
        "{\"name\":\"ok\",\"host\":\"h\",\"port\":1} | :3: services[1].name: \"ok\" (expected: unique names)",
        "{\"name\":\"x\",\"host\":\"a b\",\"port\":1} | :3: services[1].host: \"a b\" (expected: a host name or address)",
        "{\"name\":\"x\",\"host\":\"h/p\",\"port\":1} | :3: services[1].host: \"h/p\" (expected: a host name or address)",
        "{\"name\":\"x\\ny\",\"host\":\"h\",\"port\":1} | :3: services[1].name: \"x\\ny\" (expected: a name without control characters or unpaired surrogates, other than . and ..)",
        "{\"name\":\"x\",\"host\":\"h\",\"port\":1,\"weight\":-1} | :3: services[1].weight: -1 (expected: 0 or more)",
        "{\"name\":\"x\",\"host\":\"h\",\"port\":1,\"metadata\":[]} | :3: services[1].metadata: [] (expected: an object)",
        "{\"name\":\"x\",\"host\":\"h\",\"port\":1,\"health_url\":\"h/x\"} | :3: services[1].health_url: \"h/x\" (expected: http://host:port/path)",
        "{\"name\":\"x\",\"url\":\"unix:x\"} | :3: services[1].url: \"unix:x\" (expected: unix:/absolute/path)",
        "{\"name\":\"x\",\"url\":\"unix:/x\",\"dns\":\"all\"} | :3: services[1].dns: \"all\" (expected: none for a unix socket)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"cache_type\":\"pages\"} | :3:"
            + " services[1].cache_type: \"pages\" (expected: paged or static)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"tier\":-1} | :3: services[1].tier: -1 (expected:"
            + " 0..999999)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"max_concurrency\":1.5} | :3:"
            + " services[1].max_concurrency: 1.5 (expected: 0..999999)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"api_key_env\":7} | :3: services[1].api_key_env: 7"
            + " (expected: a text)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"api_key_env\":\"NONE\"} | :3:"
            + " services[1].api_key_env=NONE: the variable is not set (expected: the instance's"
            + " key)",
        "{\"name\":\"x\",\"url\":\"http://h:1\",\"api_key_env\":\"BAD\"} | :3:"
            + " services[1].api_key_env=BAD: a character beyond ASCII at position 3 (expected: a"
            + " key of visible ASCII characters)",
        "7 | :3: services[1]: 7 (expected: an object)",
      })
  void aWrongElementIsNamedWithFileAndLine(String element, String message) {
    String doc = "{\"services\":[\n{\"name\":\"ok\",\"host\":\"h\",\"port\":1},\n" + element + "]}";
    assertThatThrownBy(() -> parse(doc))
        .isInstanceOf(ConfigException.class)
        .hasMessage("s.json" + message);
  }

  /// Each entry's place was worked out by reading the whole file, though nothing was wrong.
  @ParameterizedTest
  @ValueSource(strings = {"", ",\"api_key_env\":\"KEY\"", ",\"dns\":\"all\""})
  void aFileIsReadOnceHoweverManyEntriesItHas(String more) throws Exception {
    read(100, more);
    long one = read(250, more);
    assertThat(read(1000, more)).as("4 times as many entries").isLessThan(6 * one);
  }

  /// Bytes that reading so many entries allocates.
  private static long read(int entries, String more) throws Exception {
    StringBuilder list = new StringBuilder("[");
    for (int k = 0; k < entries; k++) {
      String name = "{\"name\":\"i%05d\",\"url\":\"http://h:%d\"".formatted(k, k + 1);
      list.append(k == 0 ? "" : ",\n").append(name).append(more).append('}');
    }
    String document = list.append(']').toString();
    var threads =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    assertThat(parse(document)).hasSize(entries);
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  /// B29: a key named in the file was passed over in silence, and the clients' own keys were sent.
  @Test
  void anElementHasTheOptionsOfTheCommandLine() throws Exception {
    Known k =
        parse(
                "[{\"name\":\"n\",\"url\":\"http://h:1\",\"cache_type\":\"static\",\"tier\":2,"
                    + "\"max_concurrency\":3,\"weight\":4,\"api_key_env\":\"KEY\","
                    + "\"metadata\":{\"cache_type\":\"paged\",\"max_cache_len\":5}}]")
            .getFirst();
    assertThat(k.authorization()).isEqualTo("Bearer sk-1");
    assertThat(k.cacheType()).isEqualTo(CacheType.STATIC);
    assertThat(k.metadata()).containsEntry("max_cache_len", 5).containsEntry("max_concurrency", 3L);
    assertThat(Seating.tier(k.metadata())).isEqualTo(2);
    Known same =
        instance(
            "http://h:1,name=n,cache_type=static,tier=2,max_concurrency=3,weight=4,api_key_env=KEY");
    assertThat(k.metadata()).containsAllEntriesOf(withoutType(same.metadata()));
  }

  private static Map<String, Object> withoutType(Map<String, Object> metadata) {
    Map<String, Object> out = new HashMap<>(metadata);
    out.remove("type");
    return out;
  }

  @Test
  void theLineIsThatOfTheKey() {
    assertThatThrownBy(
            () -> parse("[\n {\n  \"name\": \"x\",\n  \"host\": \"h\",\n  \"port\": 99999\n }\n]"))
        .hasMessage("s.json:5: services[0].port: 99999 (expected: 1..65535)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{}", "{\"services\":{}}", "3", "{\"static_services\":[]}"})
  void aDocumentWithoutAListIsRefused(String json) {
    assertThatThrownBy(() -> parse(json))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("s.json:1: no list of services");
  }

  @Test
  void brokenJsonNamesItsLineAndAMissingFileItself() {
    assertThatThrownBy(() -> parse("[\n{\"name\":\n}]"))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("s.json:3: ");
    assertThatThrownBy(() -> StaticServices.file(Path.of("nowhere", "s.json"), Map.of()))
        .hasMessage(Path.of("nowhere", "s.json") + ": no such file");
  }

  @Test
  void anInstanceOfTheCommandLineHasItsOptions() throws Exception {
    Known k =
        instance(
            "http://my_host:8000/base/,name=n,cache_type=static,weight=2,api_key_env=KEY,health_url=http://h:1/x");
    assertThat(k.name()).isEqualTo("n");
    assertThat(k.host()).isEqualTo("my_host");
    assertThat(k.url()).isEqualTo("http://my_host:8000/base");
    assertThat(k.cacheType()).isEqualTo(CacheType.STATIC);
    assertThat(k.weight()).isEqualTo(2);
    assertThat(k.authorization()).isEqualTo("Bearer sk-1");
    assertThat(k.healthUrl()).isEqualTo("http://h:1/x");
    assertThat(instance("http://h").name()).isEqualTo("h:80");
    assertThat(instance("http://[::1]:8000").url()).isEqualTo("http://[::1]:8000");
  }

  @Test
  void anAddressOfIpv6IsOneInstanceHoweverItIsWritten() throws Exception {
    Known one = instance("http://[2001:db8::1]:8000");
    Known other = instance("http://[2001:0DB8:0:0:0:0:0:1]:8000");
    assertThat(one.name()).isEqualTo("[2001:db8::1]:8000");
    assertThat(other).isEqualTo(one);
    assertThat(other.sameIncarnation(one)).isTrue();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ftp://h:1 | ftp://h:1 (expected: http://host:port or https://host:port)",
        "h:1 | h:1 (expected: http://host:port or https://host:port)",
        "http://h:99999 | http://h:99999 (expected: http://host:port or https://host:port)",
        "unix:run/vllm.sock | unix:run/vllm.sock (expected: unix:/absolute/path)",
        "unix: | unix: (expected: unix:/absolute/path)",
        "unix:/run/ | unix:/run/ (expected: unix:/absolute/path)",
        "unix:/a.sock,dns=all | dns=all (expected: none for a unix socket)",
        "unix:/a.sock,ca_file=x | ca_file=x (expected: an https URL)",
        "http://h:1,weigth=1 | weigth=1 (did you mean \"weight\"?)",
        "http://h:1,weight=x | weight=x (expected: 0..9999)",
        "http://h:1,cache_type=pages | cache_type=pages (expected: paged or static)",
        "http://h:1,api_key_env=NONE | api_key_env=NONE: the variable is not set",
        "http://h:1,health_url=x | health_url=x (expected: http://host:port/path)",
        "http://h:1,name= | name= (expected: a name without control characters or unpaired surrogates, other than . and ..)",
        "http://h:1,ca_file=x | ca_file=x (expected: an https URL)",
        "http://h:1,tls_server_name=x | tls_server_name=x (expected: an https URL)",
        "https://h:1,ca_file=/no/such.pem | ca_file=/no/such.pem (expected: a file that exists)",
        "https://h:1,ca_file=pom.xml | ca_file=pom.xml (expected: a file of PEM certificates)",
      })
  void aWrongInstanceIsNamed(String spec, String message) {
    assertThatThrownBy(() -> instance(spec))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("--instance " + spec)
        .hasMessageContaining(message);
  }

  @Test
  void aUnixSocketIsAnInstanceOfItsPath() throws Exception {
    for (String spec : List.of("unix:/run/my vllm.sock", "unix:///run/my vllm.sock")) {
      Known k = instance(spec + ",weight=3,api_key_env=KEY");
      assertThat(k.socket()).isEqualTo("/run/my vllm.sock");
      assertThat(k.name()).isEqualTo("unix:/run/my vllm.sock");
      assertThat(k.at("/v1/models")).isEqualTo("http://localhost/v1/models");
      assertThat(k.weight()).isEqualTo(3);
      assertThat(Prober.headers(k, k.at("/health")).get("authorization")).isEqualTo("Bearer sk-1");
    }
    Known listed = parse("[{\"name\":\"x\",\"url\":\"unix:/run/x.sock\"}]").getFirst();
    assertThat(listed.socket()).isEqualTo("/run/x.sock");
    assertThat(instance("http://h:1").socket()).isNull();
    assertThat(instance("unix:/" + "x".repeat(106)).socket()).hasSize(107);
    assertThatThrownBy(() -> instance("unix:/" + "x".repeat(107)))
        .hasMessageEndingWith("(expected: unix:/path of at most 107 bytes)");
    assertThatThrownBy(() -> instance("unix:/" + "模".repeat(36)))
        .hasMessageEndingWith("(expected: unix:/path of at most 107 bytes)");
  }

  @Test
  void theKeyOfAnInstanceGoesToItAlone() throws Exception {
    Known k = instance("http://h:8000,api_key_env=KEY");
    assertThat(Prober.headers(k, "http://h:8000/health").get("authorization"))
        .isEqualTo("Bearer sk-1");
    assertThat(Prober.headers(k, "http://h:8001/health").get("authorization")).isNull();
    assertThat(Prober.headers(k, "http://h:80001/health").get("authorization")).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "200, 200, true", "200, -1, true", "200, -2, false", "200, 404, true", "-2, 200, true",
    "-2, 404, true", "-2, 503, false", "-2, 500, false", "-2, -1, false", "-2, -2, false",
    "404, 404, true", "503, 200, true",
  })
  void aFixedServersHealthIsWhatAnswers(int babysitter, int own, boolean healthy) {
    assertThat(Prober.ofFixed("http://h:1", babysitter, own) == null).isEqualTo(healthy);
  }
}
