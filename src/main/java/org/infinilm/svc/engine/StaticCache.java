package org.infinilm.svc.engine;

/// One sequence that owns all cells; a prompt reuses what it has in common with the request just
/// before it.
final class StaticCache implements Cache {
  private final Llama llama;
  private final int blockTokens;
  private Sequence last = new Sequence(0, new int[0], 0);

  StaticCache(Llama llama, int blockTokens) {
    this.llama = llama;
    this.blockTokens = blockTokens;
  }

  @Override
  public int reusable(int[] prompt) {
    return Cache.wholeBlocks(last.common(prompt), prompt, blockTokens);
  }

  @Override
  public Sequence take(int[] prompt) {
    int cached = reusable(prompt);
    llama.trim(last.id(), cached);
    return new Sequence(last.id(), prompt, cached);
  }

  @Override
  public void keep(Sequence ended) {
    last = ended;
  }

  @Override
  public void evict() {
    llama.trim(last.id(), 0);
    last = new Sequence(0, new int[0], 0);
  }

  @Override
  public int kept() {
    return last.stored() > 0 ? 1 : 0;
  }
}
