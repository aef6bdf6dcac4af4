package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Finds the calls in an answer as its text comes, in pieces of any size. What may become a tag or
/// the head of a call is held back until that is decided; what turns out to be none is content. A
/// call is told when its name is known to be one of the tools'; from then on its arguments are
/// passed on as the model writes them. One answer each; one thread.
final class ToolCallReader {
  /// What has become sure.
  sealed interface Part {
    record Content(String text) implements Part {}

    /// A call begins.
    ///
    /// @param call its number in the answer, from 0
    record Begin(int call, String name) implements Part {}

    /// More of the JSON of a call's arguments.
    record Arguments(int call, String json) implements Part {}
  }

  private enum State {
    /// Where a call may begin.
    TEXT,
    /// Within a call, before its arguments.
    HEAD,
    /// Within a call that is written in another order: read when it is complete.
    WHOLE,
    ARGUMENTS,
    /// Behind the arguments.
    TAIL,
    /// Nothing but content follows.
    PLAIN
  }

  private static final Pattern HEAD =
      Pattern.compile(
          "\\s{0,64}\\{\\s{0,64}\"name\"\\s{0,64}:\\s{0,64}\"([^\"\\\\]{1,64})\"\\s{0,64},"
              + "\\s{0,64}\"(?:arguments|parameters)\"\\s{0,64}:\\s{0,64}(?=\\{)");
  private static final Pattern LLAMA_START =
      Pattern.compile("[\\s;]{0,64}(?:<\\|python_tag\\|>)?\\s{0,64}(?=\\{)");
  private static final int MOST_SPACE = 64;

  private final ToolForm form;
  private final Set<String> names;
  private final StringBuilder held = new StringBuilder();
  private List<Part> sure = new ArrayList<>();
  private State state = State.TEXT;

  /// What led into the call that is being read.
  private String lead = "";

  private int searched;
  private int calls;
  private int depth;
  private boolean inString;
  private boolean escaped;

  /// @param names the functions that may be called
  ToolCallReader(ToolForm form, Set<String> names) {
    this.form = form;
    this.names = Set.copyOf(names);
  }

  /// How many calls have begun.
  int calls() {
    return calls;
  }

  List<Part> accept(String text) {
    held.append(text);
    while (advance()) {
      // until more text is needed
    }
    return taken();
  }

  /// The answer ends here.
  List<Part> finish() {
    switch (state) {
      case TEXT, PLAIN -> content(calls > 0 && held.toString().isBlank() ? "" : held.toString());
      case HEAD, WHOLE -> whole(held.toString(), "");
      case ARGUMENTS, TAIL -> {
        // what is there was passed on
      }
    }
    held.setLength(0);
    return taken();
  }

  private List<Part> taken() {
    List<Part> out = sure;
    sure = new ArrayList<>();
    return out;
  }

  /// Does what the held text allows; false when it needs more.
  private boolean advance() {
    return switch (state) {
      case TEXT -> form == ToolForm.LLAMA ? llamaStart() : text();
      case HEAD -> head();
      case WHOLE -> complete();
      case ARGUMENTS -> arguments();
      case TAIL -> tail();
      case PLAIN -> {
        content(cut(held.length()));
        yield false;
      }
    };
  }

  private String cut(int length) {
    String out = held.substring(0, length);
    held.delete(0, length);
    return out;
  }

  private void content(String text) {
    if (!text.isEmpty()) {
      sure.add(new Part.Content(text));
    }
  }

  private boolean text() {
    int at = held.indexOf(form.open());
    if (at >= 0) {
      int end = at - space(at);
      content(cut(end));
      lead = cut(at - end + form.open().length());
      state = State.HEAD;
      return true;
    }
    int decided = held.length() - begun(form.open());
    content(cut(decided - space(decided)));
    return false;
  }

  /// The length of the white space before a place, as far as it is held back.
  private int space(int to) {
    int n = 0;
    while (n < to && n < MOST_SPACE && Character.isWhitespace(held.charAt(to - n - 1))) {
      n++;
    }
    return n;
  }

  /// The length of the longest end of the held text that begins `tag`.
  private int begun(String tag) {
    for (int n = Math.min(tag.length() - 1, held.length()); n > 0; n--) {
      if (tag.startsWith(held.substring(held.length() - n))) {
        return n;
      }
    }
    return 0;
  }

  @SuppressWarnings("JdkObsolete") // hitEnd: text streams in
  private boolean llamaStart() {
    Matcher m = LLAMA_START.matcher(held);
    if (m.lookingAt()) {
      lead = cut(m.end());
      state = State.HEAD;
      return true;
    }
    if (m.hitEnd()) {
      return false;
    }
    state = State.PLAIN;
    return true;
  }

  @SuppressWarnings("JdkObsolete") // hitEnd: text streams in
  private boolean head() {
    Matcher m = HEAD.matcher(held);
    if (m.lookingAt()) {
      String name = m.group(1);
      if (names.contains(name)) {
        sure.add(new Part.Begin(calls++, name));
        cut(m.end());
        depth = 0;
        inString = false;
        escaped = false;
        state = State.ARGUMENTS;
        return true;
      }
    } else if (m.hitEnd()) {
      return false;
    }
    searched = 0;
    state = State.WHOLE;
    return true;
  }

  private boolean complete() {
    if (form == ToolForm.LLAMA) {
      content(lead);
      state = State.PLAIN;
      return true;
    }
    int at = held.indexOf(form.close(), Math.max(0, searched - form.close().length()));
    searched = held.length();
    if (at < 0) {
      return false;
    }
    String json = cut(at);
    whole(json, cut(form.close().length()));
    state = State.TEXT;
    return true;
  }

  /// A call whose text is complete, or content when it is none.
  private void whole(String json, String close) {
    JsonNode arguments = null;
    JsonNode call = tree(json);
    if (call != null && names.contains(call.path("name").asText(""))) {
      JsonNode said = call.has("arguments") ? call.path("arguments") : call.path("parameters");
      arguments = said.isTextual() ? tree(said.textValue()) : said;
    }
    if (call == null || arguments == null || !(arguments.isObject() || arguments.isMissingNode())) {
      content(lead + json + close);
      return;
    }
    sure.add(new Part.Begin(calls, call.path("name").asText()));
    sure.add(new Part.Arguments(calls++, arguments.isObject() ? Tools.json(arguments, 0) : "{}"));
  }

  private static @Nullable JsonNode tree(String json) {
    try {
      return Json.tree(json.getBytes(StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      return null;
    }
  }

  /// Follows brackets and strings to the end of the object. A `<` outside of a string ends it too:
  /// JSON has none there, a tag begins so.
  private boolean arguments() {
    int i = 0;
    boolean end = false;
    while (i < held.length() && !end) {
      char c = held.charAt(i);
      if (!inString && c == '<') {
        break;
      }
      i++;
      end = closes(c);
    }
    end |= i < held.length();
    if (i > 0) {
      sure.add(new Part.Arguments(calls - 1, cut(i)));
    }
    if (end) {
      state = State.TAIL;
    }
    return end;
  }

  /// Whether this character is the last one of the object.
  private boolean closes(char c) {
    if (inString) {
      inString = escaped || c != '"';
      escaped = !escaped && c == '\\';
      return false;
    }
    switch (c) {
      case '"' -> inString = true;
      case '{', '[' -> depth++;
      case '}', ']' -> depth--;
      default -> {
        // a number, a word, a comma or white space
      }
    }
    return depth == 0;
  }

  private boolean tail() {
    int at = 0;
    boolean bracket = false;
    while (at < held.length()
        && (Character.isWhitespace(held.charAt(at)) || (!bracket && held.charAt(at) == '}'))) {
      bracket |= held.charAt(at) == '}';
      at++;
    }
    String rest = held.substring(at);
    if (rest.isEmpty()
        || (rest.length() < form.close().length() && form.close().startsWith(rest))) {
      return tailSoFar(bracket);
    }
    int close = form.close().isEmpty() ? -1 : held.indexOf(form.close(), at);
    boolean more = !bracket && rest.startsWith(",") && !form.close().isEmpty();
    if (close < 0 && more) {
      return false;
    }
    if (close == at || (close > 0 && more)) {
      cut(close + form.close().length());
    } else {
      cut(at);
    }
    state = State.TEXT;
    return true;
  }

  /// With no tag to come, the bracket ends the call.
  private boolean tailSoFar(boolean bracket) {
    if (form.close().isEmpty() && bracket) {
      held.setLength(0);
      state = State.TEXT;
      return true;
    }
    return false;
  }
}
