package org.infinilm.svc.registry;

import java.nio.file.Path;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdCluster;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/// What the registry answers with its table in a journal it answers with its table in etcd: the
/// same tests, over three members of a real one. Run by `./infini test --cluster`.
class ContractOnEtcd {
  @TempDir private static Path dir;
  private static EtcdCluster etcd;

  @BeforeAll
  static void begin() throws Exception {
    etcd = new EtcdCluster(dir, 3);
  }

  @AfterAll
  static void end() {
    etcd.close();
  }

  /// A table of its own.
  static RegistryServer.Options fresh() {
    return RegistryServer.Options.at(0)
        .etcd(new EtcdHome(EtcdAddress.parse(etcd.freshAddress()), null));
  }

  @Nested
  class Face extends RegistryIT {
    @Override
    RegistryServer.Options options() {
      return fresh();
    }
  }

  @Nested
  class Board extends PeerBoardIT {
    @Override
    RegistryServer.Options options() {
      return fresh();
    }
  }

  @Nested
  class OldClients extends OldClientsIT {
    @Override
    RegistryServer.Options options() {
      return fresh();
    }
  }

  @Nested
  class BadInput extends BadInputIT {
    @Override
    RegistryServer.Options options() {
      return fresh();
    }
  }
}
