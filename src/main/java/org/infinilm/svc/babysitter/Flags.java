package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.tls.TlsSettings;

/// The settings of the babysitter. Names equal the keys of the TOML file, where they have one.
final class Flags {
  static final Key<String> CONFIG_FILE =
      Key.text("config_file", null, "TOML file of this instance; flags win over it.").shownFirst();
  static final Key<String> NAME =
      Key.text("name", null, "Name in the registry (NAME and NAME-server); else TYPE-PORT.")
          .shownFirst();
  static final Key<String> HOST =
      Key.text("host", null, "Address to register; 0.0.0.0 means: listen on all. Else localhost.")
          .shownFirst();
  static final Key<String> BIND_HOST =
      Key.text("bind_host", null, "Address to listen on, where it is not the one to register.");
  static final Key<String> ADVERTISE_HOST =
      Key.text("advertise_host", null, "Address to register, where host is the one to listen on.");
  static final Key<Integer> PORT =
      Key.port("port", null, "Port of the server; the babysitter's own is the next one.")
          .shownFirst();
  static final Key<String> SERVICE_TYPE =
      Key.oneOf("service_type", "command", BackendType.words(), "What to run.").shownFirst();
  static final Key<String> PATH =
      Key.text("path", null, "Model (vLLM, InfiniLM, engine) or config file (InfiniLM-Rust).")
          .shownFirst();
  static final Key<String> COMMAND =
      Key.text("command", null, "Command to run, split at white space.").shownFirst();
  static final Key<String> ARGS =
      Key.text("args", null, "Arguments of the command, split at white space.").shownFirst();
  static final Key<String> WORK_DIR = Key.text("work_dir", null, "Folder to run it in.");
  static final Key<String> ENV =
      Key.text("env", null, "More environment for it: \"K=V K=V\", split at white space; adds up.")
          .addingUp();
  static final Key<String> REGISTRY_URL =
      Key.text(
              "registry_url",
              null,
              "Registry, http://host:port, several over one store with commas between; none: registers nowhere.")
          .shownFirst();
  static final Key<String> ROUTER_URL =
      Key.text("router_url", null, "Accepted for old scripts; routers read the registry.");
  static final Key<String> REGISTRY_TOKEN =
      Key.text("registry_token", null, "Bearer token of the registry; better in the environment.");
  static final Key<String> ADMIN_TOKEN =
      Key.text("admin_token", null, "Bearer token for /logs; better in the environment.");
  static final Key<Long> WEIGHT =
      Key.whole("weight", 1L, 0, Settings.MAX_WEIGHT, "Share of round robin.");
  static final Key<String> MODELS =
      Key.text("models", null, "Model ids, comma separated, for a server that lists none.");

  static final Key<Long> MAX_RESTARTS =
      Key.whole("max_restarts", 10_000L, 0, Integer.MAX_VALUE, "Restarts before giving up.");
  static final Key<Duration> RESTART_DELAY =
      Key.seconds("restart_delay", 5.0, 0, "Pause before a restart; doubles in a crash loop.");
  static final Key<Duration> MAX_RESTART_DELAY =
      Key.seconds("max_restart_delay", 60.0, 0, "Longest pause before a restart.");
  static final Key<Long> MAX_FAILED_STARTS =
      Key.whole("max_failed_starts", 5L, 1, 1_000_000, "Failed starts in a row, then exit 1.");
  static final Key<Duration> STARTUP_TIMEOUT =
      Key.seconds("startup_timeout", 1200.0, 0.1, "A start not ready by then has failed.");
  static final Key<Duration> HEARTBEAT_INTERVAL =
      Key.seconds("heartbeat_interval", 30.0, 0.05, "Between heartbeats to the registry.");
  static final Key<Duration> HEALTH_INTERVAL =
      Key.seconds("health_interval", 5.0, 0.05, "Between probes of the server's /health.");
  static final Key<Duration> HEALTH_TIMEOUT =
      Key.seconds("health_timeout", 5.0, 0.05, "A probe without an answer by then has failed.");
  static final Key<Long> HEALTH_FAILURES =
      Key.whole("health_failures", 6L, 1, 1_000_000, "Failed probes in a row, then a restart.");
  static final Key<Duration> STOP_GRACE =
      Key.seconds("stop_grace", 5.0, 0, "Between SIGTERM and SIGKILL.");

  static final Key<Duration> DRAIN_TIMEOUT =
      Key.seconds("drain_timeout", 30.0, 0, "At the end, how long requests in flight may take.");
  static final Key<Boolean> OWN_LISTENER =
      Key.flag("own_listener", true, "What listens must come from the process started here.");

  static final String COMPLETION = "completion";
  static final List<String> PROBES = List.of("health", COMPLETION);
  static final Key<String> PROBE =
      Key.oneOf("probe", "health", PROBES, "completion: probes ask for one token as well.");
  static final Key<String> LOG_FILE =
      Key.text("log_file", null, "Where the server's lines go, 16 MiB and three older files.");

  static final Key<Boolean> ON_DEMAND =
      Key.flag("on_demand", false, "Start the server when a request comes, stop it when idle.");
  static final Key<Duration> IDLE_STOP =
      Key.seconds("idle_stop", 300.0, 0, "On demand: stopped after so long unused; 0: never.");
  static final Key<String> STATE_FILE =
      Key.text("state_file", null, "On demand: keeps the models seen last; else in the user's.");

  static final Key<String> DEV = Key.text("dev", null, "InfiniLM: device, for example nvidia.");
  static final Key<Long> NDEV =
      Key.whole("ndev", null, 1, 4096, "InfiniLM, vLLM: devices (tensor parallel).");
  static final Key<Long> MAX_BATCH =
      Key.whole("max_batch", null, 1, 1_000_000, "InfiniLM, vLLM, engine: concurrent sequences.");

  /// Keys of the `[babysitter]` table.
  static final List<Key<?>> SUPERVISION =
      List.of(
          MAX_RESTARTS,
          RESTART_DELAY,
          MAX_RESTART_DELAY,
          MAX_FAILED_STARTS,
          STARTUP_TIMEOUT,
          HEARTBEAT_INTERVAL,
          HEALTH_INTERVAL,
          HEALTH_TIMEOUT,
          HEALTH_FAILURES,
          STOP_GRACE,
          DRAIN_TIMEOUT,
          PROBE,
          LOG_FILE,
          OWN_LISTENER,
          ON_DEMAND,
          IDLE_STOP,
          STATE_FILE);

  static final List<Key<?>> ALL =
      Stream.of(
              List.of(
                  CONFIG_FILE,
                  NAME,
                  HOST,
                  BIND_HOST,
                  ADVERTISE_HOST,
                  PORT,
                  SERVICE_TYPE,
                  PATH,
                  COMMAND,
                  ARGS,
                  WORK_DIR,
                  ENV,
                  REGISTRY_URL,
                  ROUTER_URL,
                  REGISTRY_TOKEN,
                  ADMIN_TOKEN,
                  WEIGHT,
                  MODELS,
                  DEV,
                  NDEV,
                  MAX_BATCH),
              TlsSettings.KEYS,
              SUPERVISION)
          .<Key<?>>flatMap(List::stream)
          .toList();

  private Flags() {}
}
