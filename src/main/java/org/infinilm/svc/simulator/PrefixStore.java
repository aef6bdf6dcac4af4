package org.infinilm.svc.simulator;

import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/*
 * A pool of blocks, counted by text and not by block: a text's blocks are a chain, so of one text there
 * is always its first n. A system prompt is a text of its own, before the conversation's. A text is
 * pinned while a sequence uses it and idle after; idle ones lose their last blocks, the one that became
 * idle first before others, when the place is needed. Blocks that a sequence reserved and nobody
 * shares are its own.
 */

/// The KV pool of a [LeapCore]. One owner.
final class PrefixStore {
  private static final class Text {
    int blocks;
    int pins;
  }

  private final int numBlocks;
  private final int blockTokens;
  private final Map<Long, Text> pinned = new HashMap<>();
  private final LinkedHashMap<Long, Text> idle = new LinkedHashMap<>();
  private int pinnedBlocks;
  private int idleBlocks;

  PrefixStore(int numBlocks, int blockTokens) {
    this.numBlocks = numBlocks;
    this.blockTokens = blockTokens;
  }

  PrefixStore copy() {
    PrefixStore c = new PrefixStore(numBlocks, blockTokens);
    pinned.forEach((k, t) -> c.pinned.put(k, copy(t)));
    idle.forEach((k, t) -> c.idle.put(k, copy(t)));
    c.pinnedBlocks = pinnedBlocks;
    c.idleBlocks = idleBlocks;
    return c;
  }

  private static Text copy(Text t) {
    Text c = new Text();
    c.blocks = t.blocks;
    c.pins = t.pins;
    return c;
  }

  int blocksOf(long tokens) {
    return Math.toIntExact(Math.ceilDiv(tokens, (long) blockTokens));
  }

  /// Blocks that are pinned or reserved.
  int usedBlocks() {
    return pinnedBlocks;
  }

  private int systemBlocks(LeapJob j) {
    return j.system() == 0 ? 0 : j.systemTokens() / blockTokens;
  }

  private int held(long text) {
    Text t = pinned.get(text);
    t = t == null ? idle.get(text) : t;
    return t == null ? 0 : t.blocks;
  }

  /// Leading blocks of the prompt that are here; one token at least is always computed.
  int hitBlocks(LeapJob j) {
    int system = systemBlocks(j);
    int hit = system == 0 ? 0 : Math.min(held(-j.system()), system);
    if (hit == system) {
      hit += Math.min(held(j.text()), Math.max(0, j.sharedTokens() / blockTokens - system));
    }
    return Math.min(hit, (j.promptTokens() - 1) / blockTokens);
  }

  /// Whether [#reserve] would succeed.
  boolean hasRoom(LeapJob j, int blocks) {
    return pinnedBlocks + more(j, blocks) <= numBlocks;
  }

  private int more(LeapJob j, int blocks) {
    Text system = j.system() == 0 ? null : idle.get(-j.system());
    Text text = idle.get(j.text());
    return Math.max(0, blocks - hitBlocks(j))
        + (system == null ? 0 : system.blocks)
        + (text == null ? 0 : text.blocks);
  }

  /// Pins what is here of the prompt's texts and reserves the rest of `blocks` for the sequence;
  /// false, and nothing changed, when there is no room.
  boolean reserve(Leaper s, int blocks) {
    LeapJob j = s.job;
    if (!hasRoom(j, blocks)) {
      return false;
    }
    s.hitBlocks = hitBlocks(j);
    s.ownBlocks = Math.max(0, blocks - s.hitBlocks);
    if (j.system() != 0) {
      pin(-j.system());
    }
    pin(j.text());
    take(s.ownBlocks);
    return true;
  }

  private void take(int blocks) {
    pinnedBlocks += blocks;
    Iterator<Text> oldest = idle.values().iterator();
    while (pinnedBlocks + idleBlocks > numBlocks) {
      Text t = oldest.next();
      int less = Math.min(t.blocks, pinnedBlocks + idleBlocks - numBlocks);
      t.blocks -= less;
      idleBlocks -= less;
      if (t.blocks == 0) {
        oldest.remove();
      }
    }
  }

  private void pin(long text) {
    Text t = pinned.get(text);
    if (t == null) {
      t = idle.remove(text);
      if (t == null) {
        t = new Text();
      } else {
        idleBlocks -= t.blocks;
        pinnedBlocks += t.blocks;
      }
      pinned.put(text, t);
    }
    t.pins++;
  }

  /// Lets a sequence that runs have so many blocks in all; false, and nothing changed, when there
  /// is no room.
  boolean grow(Leaper s, int blocks) {
    int more = blocks - s.hitBlocks - s.ownBlocks - s.givenBlocks;
    if (more <= 0) {
      return true;
    }
    if (pinnedBlocks + more > numBlocks) {
      return false;
    }
    s.ownBlocks += more;
    take(more);
    return true;
  }

  /// Blocks that `s` would have to get to hold so many.
  int missing(Leaper s, int blocks) {
    return Math.max(0, blocks - s.hitBlocks - s.ownBlocks - s.givenBlocks);
  }

  int freeBlocks() {
    return numBlocks - pinnedBlocks;
  }

  /// Offers the full blocks of the first `tokens` of its text to later sequences.
  void share(Leaper s, int tokens) {
    LeapJob j = s.job;
    int system = systemBlocks(j);
    int full = tokens / blockTokens;
    if (system > 0) {
      give(s, -j.system(), Math.min(system, full));
    }
    give(s, j.text(), Math.max(0, full - system));
  }

  private void give(Leaper s, long text, int blocks) {
    Text t = pinned.get(text);
    if (t != null && blocks > t.blocks) {
      int given = Math.min(blocks - t.blocks, s.ownBlocks);
      s.ownBlocks -= given;
      s.givenBlocks += given;
      t.blocks += given;
    }
  }

  /// Gives back what `s` holds.
  void release(Leaper s) {
    pinnedBlocks -= s.ownBlocks;
    s.ownBlocks = 0;
    s.hitBlocks = 0;
    s.givenBlocks = 0;
    unpin(s.job.text());
    if (s.job.system() != 0) {
      unpin(-s.job.system());
    }
  }

  private void unpin(long text) {
    Text t = pinned.get(text);
    if (t != null && --t.pins == 0) {
      pinned.remove(text);
      pinnedBlocks -= t.blocks;
      if (t.blocks > 0) {
        idle.put(text, t);
        idleBlocks += t.blocks;
      }
    }
  }
}
