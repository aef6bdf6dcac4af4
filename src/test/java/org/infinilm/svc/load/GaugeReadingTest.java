package org.infinilm.svc.load;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.GaugeReading;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GaugeReadingTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "vllm | vllm:num_requests_running{model_name=\"m\",engine=\"0\"} 3.0; vllm:num_requests_waiting{model_name=\"m\",engine=\"0\"} 2.0; vllm:kv_cache_usage_perc{engine=\"0\"} 0.5 | 3 | 2 | 0.5",
        "vllm | vllm:num_requests_running 1; vllm:gpu_cache_usage_perc 0.25 | 1 | NaN | 0.25",
        "vllm | vllm:num_requests_running{engine=\"0\"} 1; vllm:num_requests_running{engine=\"1\"} 4; vllm:kv_cache_usage_perc{engine=\"0\"} 0.1; vllm:kv_cache_usage_perc{engine=\"1\"} 0.9 | 5 | NaN | 0.9",
        "sglang | sglang:num_running_reqs{tp_rank=\"0\"} 7 1700000000000; sglang:num_queue_reqs 1; sglang:token_usage 0.75 | 7 | 1 | 0.75",
        "llamacpp | llamacpp:requests_processing 2; llamacpp:requests_deferred 5 | 2 | 5 | NaN",
        "trtllm | trtllm_num_requests_running 1; trtllm_num_requests_waiting 0; trtllm_kv_cache_utilization 0.5 | 1 | 0 | 0.5",
        "tgi | tgi_batch_current_size 4; tgi_queue_size 3 | 4 | 3 | NaN",
        "vllm | vllm:num_requests_running{m=\"a } 9\"} 3 | 3 | NaN | NaN"
      })
  void theNamesOfEachEngineAreRead(
      String engine, String lines, double running, double waiting, double cache) {
    assertThat(GaugeReading.of("# HELP vllm:num_requests_running 99\n" + lines.replace("; ", "\n")))
        .isEqualTo(new GaugeReading(engine, running, waiting, cache));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''",
        "<html>no metrics</html>",
        "process_cpu_seconds_total 3",
        "vllm:num_requests_running",
        "vllm:num_requests_running many",
        "vllm:num_requests_running_total 3",
        "vllm:num_requests_running NaN",
        "vllm:num_requests_running{ 3"
      })
  void whatHasNoGaugesOfAnEngineIsNoReading(String exposition) {
    assertThat(GaugeReading.of(exposition)).isNull();
  }

  @Test
  void aLongRunKeepsABoundedNumberOfReadingsOverAllOfIt() throws Exception {
    GaugeSeries s = new GaugeSeries("one");
    int n = 3 * GaugeSeries.MOST;
    for (int k = 0; k < n; k++) {
      s.add(k, new GaugeReading("vllm", k, 0, Double.NaN));
    }
    assertThat(s.count()).isBetween(GaugeSeries.MOST / 2, GaugeSeries.MOST);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator g = new JsonFactory().createGenerator(bytes)) {
      g.writeStartObject();
      s.write(g);
      g.writeEndObject();
    }
    JsonNode one = Json.tree(bytes.toByteArray()).path("one");
    assertThat(one.path("engine").asText()).isEqualTo("vllm");
    assertThat(one.path("t_s").get(0).asDouble()).isZero();
    assertThat(one.path("t_s").get(s.count() - 1).asDouble()).isGreaterThan(n - 8.0);
    assertThat(one.path("running")).hasSize(s.count());
    assertThat(one.path("kv_usage").get(0).isNull()).isTrue();
  }

  @Test
  void theLineIsOfTheReadingsAfterTheRampUp() {
    GaugeSeries s = new GaugeSeries("one");
    assertThat(s.line(0)).isEqualTo("one: no gauges of an engine that is known");
    s.add(0.5, new GaugeReading("llamacpp", 100, 100, Double.NaN));
    s.add(1, new GaugeReading("llamacpp", 2, 0, Double.NaN));
    s.add(2, new GaugeReading("llamacpp", 4, 1, Double.NaN));
    assertThat(s.line(1))
        .isEqualTo(
            "one (llamacpp, 2 readings): running mean 3.0, most 4, waiting mean 0.5, most 1");
  }
}
