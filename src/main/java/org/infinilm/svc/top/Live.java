package org.infinilm.svc.top;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.telemetry.Ticker;
import org.jline.terminal.Attributes;
import org.jline.terminal.Size;
import org.jline.terminal.Sized;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;
import org.jline.utils.Display;
import org.jline.utils.InfoCmp.Capability;
import org.jline.utils.NonBlockingReader;
import org.jspecify.annotations.Nullable;

/// The view in the terminal: one thread reads the stream, this one keys; it is drawn when there is
/// something new, and the terminal is as before whatever ends it.
final class Live {
  private static final long WAIT_MILLIS = 200;
  private static final long RETRY_MILLIS = 2000;
  private static final long OLD_NANOS = 3_000_000_000L;
  private static final int LEAST_COLUMNS = 40;
  private static final int LEAST_ROWS = 8;

  /// Of a terminal that does not know its size.
  private static final Size USUAL = Size.of(80, 24);

  private final Feed feed;
  private final Screen screen;
  private final boolean colours;
  private final Ticker ticker;
  private final AtomicReference<Board> board = new AtomicReference<>(new Board());
  private final AtomicReference<String> trouble = new AtomicReference<>("");
  private volatile @Nullable IOException over;

  Live(Feed feed, Screen screen, Map<String, String> env, Ticker ticker) {
    this.feed = feed;
    this.screen = screen;
    this.colours = env.getOrDefault("NO_COLOR", "").isEmpty();
    this.ticker = ticker;
  }

  /// @throws IOException when there is no terminal that can be drawn on, the router refuses to be
  ///   read, or it was never reached; one that goes away later is waited for
  int run() throws IOException, InterruptedException {
    try (Terminal t = TerminalBuilder.builder().system(true).dumb(false).build()) {
      return run(t);
    } catch (IllegalStateException noTerminal) {
      throw new IOException("no terminal (expected: one, or --once)", noTerminal);
    }
  }

  int run(Terminal t) throws IOException, InterruptedException {
    if (t.getStringCapability(Capability.cursor_address) == null) {
      throw new IOException(
          "the terminal '"
              + t.getType()
              + "' cannot be drawn on (expected: another TERM, as xterm-256color, or --once)");
    }
    Thread reader = Thread.ofVirtual().name("stream").start(this::follow);
    Attributes before = t.enterRawMode();
    t.puts(Capability.enter_ca_mode);
    t.puts(Capability.cursor_invisible);
    t.handle(Terminal.Signal.INT, s -> Thread.currentThread().interrupt());
    try {
      return watch(t);
    } finally {
      reader.interrupt();
      t.setAttributes(before);
      t.puts(Capability.cursor_normal);
      t.puts(Capability.exit_ca_mode);
      t.flush();
    }
  }

  /// Reads the stream for ever.
  private void follow() {
    try {
      while (true) {
        Board next = new Board();
        try {
          feed.follow(
              next,
              () -> {
                board.set(next);
                trouble.set("");
                return true;
              });
          trouble.set("the router ended the stream");
        } catch (Feed.Refused e) {
          over = e;
          return;
        } catch (IOException e) {
          if (board.get().heardNanos() == null) {
            over = e;
            return;
          }
          trouble.set(Words.printable(String.valueOf(e.getMessage())));
        }
        Thread.sleep(RETRY_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private int watch(Terminal t) throws IOException, InterruptedException {
    Display display = new Display(t, true);
    NonBlockingReader keys = t.reader();
    Look look = Look.FIRST;
    Board shown = board.get();
    String said = "";
    Size size = Size.of(0, 0);
    while (true) {
      IOException no = over;
      if (no != null) {
        throw no;
      }
      if (!look.paused()) {
        shown = board.get();
      }
      Size now = size(t);
      if (!now.equals(size)) {
        size = Size.of(now);
        display.resize((Sized) size);
        display.clear();
      }
      draw(display, shown, look, size, said);
      String key = Keys.next(keys::read, WAIT_MILLIS);
      if (key == null) {
        continue;
      }
      said = "";
      Look.Step step = look.key(key, Screen.rows(shown, look).size(), Screen.target(shown, look));
      look = step.look();
      switch (step.effect()) {
        case Look.Nothing n -> {}
        case Look.Quit q -> {
          return 0;
        }
        case Look.Act a -> {
          String why = feed.act(a.what());
          said = why == null ? "" : why;
        }
      }
    }
  }

  private static Size size(Terminal t) {
    Size s = t.getSize();
    return s.getColumns() > 0 && s.getRows() > 0 ? s : USUAL;
  }

  private void draw(Display display, Board b, Look look, Size size, String said) {
    int rows = size.getRows();
    if (size.getColumns() < LEAST_COLUMNS || rows < LEAST_ROWS) {
      String small =
          "%d x %d is too small (expected: %d x %d or more), q quit"
              .formatted(size.getColumns(), rows, LEAST_COLUMNS, LEAST_ROWS);
      display.update(
          List.of(new AttributedString(small).columnSubSequence(0, size.getColumns())), -1);
      return;
    }
    List<Screen.Line> lines =
        b.heardNanos() == null
            ? List.of(
                Screen.Line.of("InfiniLM router  " + screen.address(), Screen.Style.BOLD),
                Screen.Line.of(
                    trouble.get().isEmpty() ? "connecting" : trouble.get(), Screen.Style.BAD),
                Screen.Line.of("q quit", Screen.Style.DIM))
            : screen.draw(b, look, size.getColumns(), rows, stale(b));
    List<AttributedString> out =
        new java.util.ArrayList<>(lines.stream().map(this::styled).toList());
    String note = said.isEmpty() && b.heardNanos() != null ? trouble.get() : said;
    if (!note.isEmpty()) {
      out.set(out.size() - 1, styled(Screen.Line.of(note, Screen.Style.BAD)));
    }
    display.update(out.stream().map(l -> l.columnSubSequence(0, size.getColumns())).toList(), -1);
  }

  private String stale(Board b) {
    Long heard = b.heardNanos();
    long age = heard == null ? 0 : ticker.nanos() - heard;
    return age > OLD_NANOS ? "data is " + age / 1_000_000_000 + " s old" : "";
  }

  private AttributedString styled(Screen.Line line) {
    AttributedStringBuilder b = new AttributedStringBuilder();
    for (Screen.Part p : line.parts()) {
      b.styled(style(p.style()), p.text());
    }
    return b.toAttributedString();
  }

  private AttributedStyle style(Screen.Style s) {
    AttributedStyle plain = AttributedStyle.DEFAULT;
    if (!colours) {
      return switch (s) {
        case BOLD, BAD -> plain.bold();
        case MARKED -> plain.inverse();
        default -> plain;
      };
    }
    return switch (s) {
      case PLAIN -> plain;
      case BOLD -> plain.bold();
      case DIM -> plain.faint();
      case PAGED -> plain.foreground(AttributedStyle.BLUE + AttributedStyle.BRIGHT);
      case STATIC, WARNING -> plain.foreground(AttributedStyle.YELLOW);
      case GOOD -> plain.foreground(AttributedStyle.GREEN);
      case BAD -> plain.foreground(AttributedStyle.RED).bold();
      case MARKED -> plain.inverse();
    };
  }
}
