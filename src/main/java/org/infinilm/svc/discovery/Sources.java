package org.infinilm.svc.discovery;

/// Opens the sources of this room.
public final class Sources {
  private Sources() {}

  /// A folder of files.
  ///
  /// @param check refuses what a file says of an instance; the whole file is refused then
  public static Source open(SourceSpec.Folder spec, Source.Check check) {
    return new FolderSource(spec, check);
  }

  /// A name in the DNS.
  public static Source open(SourceSpec.Dns spec) {
    return new DnsSource(spec);
  }
}
