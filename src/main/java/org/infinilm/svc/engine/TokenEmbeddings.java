package org.infinilm.svc.engine;

/// A context of a model that gives the last layer's normalised state of each token. One thread.
interface TokenEmbeddings {
  /// Values of a token's vector.
  int width();

  /// Forgets all sequences.
  void clear();

  /// Computes a batch of which every entry is wanted, behind what its sequences hold.
  ///
  /// @return false when llama.cpp failed; what the sequences hold is unknown then
  boolean compute(Batch batch);

  /// Adds the vector of entry `index` of the last batch to `sum`, value by value.
  void addTo(double[] sum, int index);
}
