package org.infinilm.svc.registry;

import java.io.IOException;
import java.time.Duration;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Which etcd a registry's table lives in, and who it is there.
///
/// @param login null where etcd asks for none
record EtcdHome(EtcdAddress address, Etcd.@Nullable Login login) {
  static final Key<String> STORE =
      Key.text(
              "store",
              null,
              "Where the table lives instead of a journal: etcd://HOST:PORT,HOST:PORT/PREFIX, etcds:// over"
                  + " TLS (--ca-file, --client-cert); for several registries beside each other.")
          .shownFirst();
  static final Key<String> USER =
      Key.text("store_user", null, "User at etcd, where it asks for one.");
  static final Key<String> PASSWORD =
      Key.text("store_password", null, "Password of that user; better in the environment.")
          .orEnv("INFINI_STORE_PASSWORD");

  /// Null where there is to be a journal.
  static @Nullable EtcdHome of(Config c) throws ConfigException {
    return of(c, STORE);
  }

  /// The same with the address under another name.
  static @Nullable EtcdHome of(Config c, Key<String> where) throws ConfigException {
    String given = c.find(where).orElse("").strip();
    String user = c.find(USER).orElse("");
    String password = c.find(PASSWORD).orElse("");
    if (given.isEmpty()) {
      if (!user.isEmpty()) {
        throw c.wrong(USER, "given without --store (expected: both)");
      }
      return null;
    }
    if (user.isEmpty() != password.isEmpty()) {
      throw c.wrong(
          user.isEmpty() ? PASSWORD : USER,
          "one of --store-user and INFINI_STORE_PASSWORD (expected: both or none)");
    }
    try {
      return new EtcdHome(
          EtcdAddress.parse(given), user.isEmpty() ? null : new Etcd.Login(user, password));
    } catch (IllegalArgumentException e) {
      throw c.wrong(where, String.valueOf(e.getMessage()));
    }
  }

  LeaseStore open(Client http, Ticker ticker, Duration lease, String boot, RandomGenerator random)
      throws IOException {
    return EtcdStore.open(new Etcd(http, address, login, ticker), ticker, lease, boot, random);
  }
}
