package org.reformer4j.tokenizers;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;

/**
 * The table of character replacements in a SentencePiece model ({@code precompiled_charsmap}): a
 * length, a double-array trie (darts-clone) of what is replaced, and the replacements, each ended
 * by a zero. Engines follow its indices unchecked, so every one of them is checked here.
 */
final class CharsMap {
  private static final int BYTES = 256;

  private final int[] units;
  private final byte[] replacements;

  private CharsMap(int[] units, byte[] replacements) {
    this.units = units;
    this.replacements = replacements;
  }

  /**
   * Checks a table.
   *
   * @param table all of it; an empty one replaces nothing
   * @throws DamagedException if an engine would read outside of it
   */
  static void check(byte[] table) {
    if (table.length == 0) {
      return;
    }
    ByteBuffer buffer = ByteBuffer.wrap(table).order(ByteOrder.LITTLE_ENDIAN);
    long trieBytes = table.length < Integer.BYTES ? -1 : Integer.toUnsignedLong(buffer.getInt());
    // The engines' own condition: whole blocks, and something behind them.
    if (trieBytes < BYTES * Integer.BYTES
        || trieBytes >= buffer.remaining()
        || trieBytes % (BYTES * Integer.BYTES) != 0) {
      throw damaged("states a trie of " + trieBytes + " bytes in a table of " + table.length);
    }
    int[] units = new int[(int) (trieBytes / Integer.BYTES)];
    buffer.asIntBuffer().get(units);
    byte[] replacements = new byte[buffer.remaining() - (int) trieBytes];
    buffer.position(buffer.position() + (int) trieBytes).get(replacements);
    CharsMap map = new CharsMap(units, replacements);
    map.checkReplacements();
    map.checkTrie();
  }

  private void checkReplacements() {
    try {
      StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(replacements));
    } catch (CharacterCodingException e) {
      throw damaged("has replacements that are no UTF-8");
    }
    if (replacements[replacements.length - 1] != 0) {
      throw damaged("has a last replacement without an end");
    }
  }

  /** Visits every unit that some text could lead to. */
  private void checkTrie() {
    BitSet seen = new BitSet(units.length);
    Deque<Integer> open = new ArrayDeque<>();
    // The root's label and leaf mark mean nothing; its children are where its offset says.
    open.add(child(0));
    seen.set(0);
    while (!open.isEmpty()) {
      int base = open.remove();
      for (int label = 1; label < BYTES; label++) {
        int at = base ^ label;
        // A unit of another node has another label, or the leaf's sign bit.
        if ((units[at] & 0x800000FF) == label && !seen.get(at)) {
          seen.set(at);
          int children = child(at);
          if ((units[at] >>> 8 & 1) == 1) {
            checkValue(units[children] & Integer.MAX_VALUE);
          }
          open.add(children);
        }
      }
    }
  }

  private int child(int at) {
    int unit = units[at];
    int child = at ^ (unit >>> 10 << ((unit & 1 << 9) >>> 6));
    // Blocks are whole, so that a label, which changes the last 8 bits, stays inside as well.
    if (child < 0 || child >= units.length) {
      throw damaged("has unit " + at + " that leads to " + child + " of " + units.length);
    }
    return child;
  }

  private void checkValue(int value) {
    // A byte 10xxxxxx is inside a character.
    if (value >= replacements.length || (replacements[value] & 0xC0) == 0x80) {
      throw damaged("has a replacement at " + value + " of " + replacements.length + " bytes");
    }
  }

  private static DamagedException damaged(String problem) {
    return new DamagedException("has a damaged table of characters, which " + problem);
  }
}
