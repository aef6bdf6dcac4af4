package org.infinilm.svc.top;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// How somebody looks at a board: what is sorted, filtered, marked, asked. Immutable; keys make the
/// next one.
///
/// @param marked which row of the sorted, filtered table
/// @param typing the filter as it is being typed, or null
/// @param question what is asked, or null
record Look(
    Sort sort,
    boolean reversed,
    String filter,
    int marked,
    Panel panel,
    boolean paused,
    boolean help,
    @Nullable String typing,
    @Nullable Question question) {
  static final Look FIRST =
      new Look(Sort.NAME, false, "", 0, Panel.DECISIONS, false, false, null, null);

  /// What stands below the instances.
  enum Panel {
    DECISIONS,
    REQUESTS,
    ERRORS,
    EVENTS
  }

  enum Sort {
    NAME,
    IN_FLIGHT,
    P95,
    ERRORS,
    REQUESTS;

    String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private Sort next() {
      return switch (this) {
        case NAME -> IN_FLIGHT;
        case IN_FLIGHT -> P95;
        case P95 -> ERRORS;
        case ERRORS -> REQUESTS;
        case REQUESTS -> NAME;
      };
    }
  }

  /// Whether an instance is to be drained, or put back.
  record Question(String instance, boolean drain) {
    /// @param columns that it may take: of a long name what fits, and always what may be answered
    String text(int columns) {
      String before = drain ? "Drain " : "Put ";
      String after =
          drain ? " at this router? It gets nothing new. (y/n)" : " back into service? (y/n)";
      String name = Words.printable(instance);
      if (drain && Columns.of(before + name + after) > columns) {
        after = "? (y/n)";
      }
      return before + Columns.first(name, columns - Columns.of(before + after)) + after;
    }
  }

  /// What a key comes to beside the next look.
  sealed interface Effect {}

  record Nothing() implements Effect {}

  record Quit() implements Effect {}

  record Act(Question what) implements Effect {}

  record Step(Look look, Effect effect) {}

  private static final Nothing NOTHING = new Nothing();

  /// @param key one character, or one of the names of [Keys]
  /// @param rows how many instances the table has
  /// @param target the marked instance, or null
  Step key(String key, int rows, @Nullable Target target) {
    Question q = question;
    if (q != null) {
      Look after = asking(null);
      return new Step(after, key.equalsIgnoreCase("y") ? new Act(q) : NOTHING);
    }
    if (typing != null) {
      return new Step(typed(key, typing), NOTHING);
    }
    return switch (key) {
      case "q", Keys.INTERRUPT -> new Step(this, new Quit());
      case "D" ->
          new Step(
              target == null ? this : asking(new Question(target.name(), !target.drained())),
              NOTHING);
      default -> new Step(plain(key, rows), NOTHING);
    };
  }

  /// The marked instance.
  record Target(String name, boolean drained) {}

  private Look typed(String key, String so) {
    return switch (key) {
      case Keys.ENTER -> new Look(sort, reversed, so.strip(), 0, panel, paused, help, null, null);
      case Keys.ESCAPE, Keys.INTERRUPT ->
          new Look(sort, reversed, filter, marked, panel, paused, help, null, null);
      case Keys.BACK -> typing(so.isEmpty() ? so : so.substring(0, so.length() - 1));
      default -> key.length() == 1 && so.length() < 60 ? typing(so + key) : this;
    };
  }

  private Look plain(String key, int rows) {
    return switch (key) {
      case "s" -> new Look(sort.next(), false, filter, 0, panel, paused, help, null, null);
      case "S" -> new Look(sort, !reversed, filter, 0, panel, paused, help, null, null);
      case "/" -> typing(filter);
      case Keys.ESCAPE -> new Look(sort, reversed, "", 0, panel, paused, false, null, null);
      case "p" -> new Look(sort, reversed, filter, marked, panel, !paused, help, null, null);
      case "?", "h" -> new Look(sort, reversed, filter, marked, panel, paused, !help, null, null);
      case "d" -> panel(Panel.DECISIONS);
      case "r" -> panel(Panel.REQUESTS);
      case "e" -> panel(Panel.ERRORS);
      case "v" -> panel(Panel.EVENTS);
      case Keys.UP, "k" -> mark(marked - 1, rows);
      case Keys.DOWN, "j" -> mark(marked + 1, rows);
      case Keys.PAGE_UP -> mark(marked - 10, rows);
      case Keys.PAGE_DOWN -> mark(marked + 10, rows);
      default -> this;
    };
  }

  private Look mark(int row, int rows) {
    int to = Math.clamp(row, 0, Math.max(0, rows - 1));
    return new Look(sort, reversed, filter, to, panel, paused, help, null, null);
  }

  private Look panel(Panel p) {
    return new Look(sort, reversed, filter, marked, p, paused, false, null, null);
  }

  private Look typing(String so) {
    return new Look(sort, reversed, filter, marked, panel, paused, help, so, null);
  }

  private Look asking(@Nullable Question q) {
    return new Look(sort, reversed, filter, marked, panel, paused, help, null, q);
  }
}
