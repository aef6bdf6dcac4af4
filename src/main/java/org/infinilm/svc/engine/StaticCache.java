package org.infinilm.svc.engine;

/// One sequence that owns all cells; a prompt reuses what it has in common with the request just
/// before it, to the token.
final class StaticCache implements Cache {
  private static final int ID = 0;

  private final Llama llama;
  private Sequence last = new Sequence(ID, new int[0]);
  private boolean running;

  StaticCache(Llama llama) {
    this.llama = llama;
  }

  @Override
  public int reusable(int[] prompt) {
    return Cache.wholeBlocks(last.common(prompt), prompt, 1);
  }

  @Override
  public int shared(int[] prompt) {
    return reusable(prompt);
  }

  @Override
  public int awaited(Sequence sequence, int[] prompt) {
    return 0;
  }

  @Override
  public int sharable(Sequence sequence, int[] prompt) {
    return 0;
  }

  @Override
  public Sequence take(int[] prompt) {
    int cached = reusable(prompt);
    llama.trim(ID, cached);
    last = new Sequence(ID, prompt);
    last.storedUpTo(cached);
    running = true;
    return last;
  }

  @Override
  public void share(Sequence sequence, int[] prompt) {
    throw new IllegalStateException("one sequence has nobody to share with");
  }

  @Override
  public void keep(Sequence ended) {
    running = false;
  }

  @Override
  public int usedTokens() {
    return last.stored();
  }

  @Override
  public int runningTokens() {
    return running ? last.stored() : 0;
  }

  @Override
  public int keptTokens() {
    return running ? 0 : last.stored();
  }

  @Override
  public void clear() {
    if (!running) {
      llama.trim(ID, 0);
      last = new Sequence(ID, new int[0]);
    }
  }
}
