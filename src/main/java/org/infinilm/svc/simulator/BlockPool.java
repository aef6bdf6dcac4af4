package org.infinilm.svc.simulator;

import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/*
 * A block is in one of four states: free; owned by one sequence (its reservation, not yet shared or
 * never to be); shared under the hash of its content and referenced by n >= 1 sequences; idle, that
 * is shared content that nobody references, kept until its place is needed. Owned and shared blocks
 * are pinned. Idle ones leave in the order in which they became idle, the end of a prompt before its
 * start, so that a chain never loses its head first.
 */

/// The paged KV cache: reservation and prefix reuse by content, in whole blocks. Counts only, no
/// data.
final class BlockPool {
  private final int numBlocks;
  private final int blockTokens;
  private final Map<Long, Integer> references = new HashMap<>();
  private final LinkedHashSet<Long> idle = new LinkedHashSet<>();
  private int ownedBlocks;

  BlockPool(int numBlocks, int blockTokens) {
    this.numBlocks = numBlocks;
    this.blockTokens = blockTokens;
  }

  BlockPool copy() {
    BlockPool p = new BlockPool(numBlocks, blockTokens);
    p.references.putAll(references);
    p.idle.addAll(idle);
    p.ownedBlocks = ownedBlocks;
    return p;
  }

  /// Leading tokens of `prompt` that the pool holds.
  int cachedTokens(Prompt prompt) {
    return cachedBlocks(prompt) * blockTokens;
  }

  private int cachedBlocks(Prompt prompt) {
    int most = prompt.reusableBlocks();
    int n = 0;
    while (n < most && holds(prompt.chain().get(n))) {
      n++;
    }
    return n;
  }

  private boolean holds(Long hash) {
    return references.containsKey(hash) || idle.contains(hash);
  }

  /// Pins room for the whole prompt and answer; false, and nothing changed, when there is none.
  boolean reserve(Sequence s) {
    List<Long> hits = s.prompt().chain().subList(0, cachedBlocks(s.prompt()));
    int total = Math.ceilDiv(s.promptTokens() + s.maxTokens(), blockTokens);
    int own = total - hits.size();
    long woken = hits.stream().filter(idle::contains).count();
    if (pinnedBlocks() + own + woken > numBlocks) {
      return false;
    }
    for (Long hash : hits) {
      idle.remove(hash);
      references.merge(hash, 1, Integer::sum);
      s.sharedBlocks.add(hash);
    }
    s.ownBlocks = own;
    ownedBlocks += own;
    Iterator<Long> oldest = idle.iterator();
    while (pinnedBlocks() + idle.size() > numBlocks) {
      oldest.next();
      oldest.remove();
    }
    return true;
  }

  /// Offers the full blocks of a computed prompt to later sequences.
  void share(Sequence s) {
    List<Long> chain = s.prompt().chain();
    for (Long hash : chain.subList(s.sharedBlocks.size(), chain.size())) {
      if (holds(hash)) {
        return;
      }
      references.put(hash, 1);
      s.sharedBlocks.add(hash);
      s.ownBlocks--;
      ownedBlocks--;
    }
  }

  /// Gives back what `s` holds; shared blocks that nobody else uses become idle.
  void release(Sequence s) {
    ownedBlocks -= s.ownBlocks;
    s.ownBlocks = 0;
    for (Long hash : s.sharedBlocks.reversed()) {
      if (references.merge(hash, -1, (a, b) -> a + b == 0 ? null : a + b) == null) {
        idle.add(hash);
      }
    }
    s.sharedBlocks.clear();
  }

  int pinnedBlocks() {
    return ownedBlocks + references.size();
  }

  int idleBlocks() {
    return idle.size();
  }

  double usage() {
    return (double) pinnedBlocks() / numBlocks;
  }
}
