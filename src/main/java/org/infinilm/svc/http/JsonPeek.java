package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import org.infinilm.svc.http.BodyPeek.Extent;
import org.infinilm.svc.http.BodyPeek.Form;
import org.infinilm.svc.http.BodyPeek.Look;
import org.infinilm.svc.http.BodyPeek.Peeked;
import org.infinilm.svc.http.BodyPeek.Prompt;
import org.infinilm.svc.http.BodyPeek.Store;
import org.infinilm.svc.http.JsonString.Treatment;
import org.jspecify.annotations.Nullable;

/// What a JSON body says to a router: a few keys at its top, and how much text its prompt has.
/*
 * Each object and array has a frame (where in a request it stands), each value a role (what it is
 * to us): a key in a frame gives the role of its value, the role of an object or array gives its
 * frame. What has no role is skipped, so that an unknown field costs no more than its bytes; in a
 * message or a part it also means that the prompt is not wholly known.
 *
 * Text is counted in four groups, one a top-level key, each begun anew when its key comes again:
 * the last one wins, as with the parsers of the instances.
 */
final class JsonPeek extends JsonScanner implements BodyPeek.Sink {
  private static final int SKIPPED = 0;
  private static final int TOP = 1;
  private static final int MESSAGES = 2;
  private static final int MESSAGE = 3;
  private static final int PARTS = 4;
  private static final int PART = 5;
  private static final int PROMPTS = 6;
  private static final int IDS = 7;
  private static final int EVERYTHING = 8;
  private static final int IN_METADATA = 9;

  private enum Role {
    SKIP,
    /// Not read, and not known to be outside the prompt.
    UNSEEN,
    MODEL,
    /// `model` with capitals: to readers that take names in any case (Go's) the same.
    MODEL_IN_CAPITALS,
    STREAM,
    CACHE_KEY,
    /// Who asks, or in which session.
    USER,
    SESSION,
    METADATA,
    STORE,
    CONVERSATION,
    MAX_TOKENS,
    CUT,
    TRUNCATION,
    MESSAGES,
    PROMPT,
    SYSTEM,
    ELEMENT,
    /// Text, or parts that hold some.
    CONTENT,
    /// Text, or in other routes than chat parts that hold some.
    NESTED_CONTENT,
    /// Text of a tool's output, in responses.
    OUTPUT,
    /// In the prompt, but not the client's text: names, arguments.
    EXTRA,
    /// Keys and strings of all of it: tools.
    ALL
  }

  private static final KeyTable<Role> ANY_TOP =
      new KeyTable<Role>()
          .with(Role.MODEL, "model")
          .with(Role.MODEL_IN_CAPITALS, inCapitals("model"))
          .with(Role.STREAM, "stream")
          .with(Role.CACHE_KEY, "prompt_cache_key")
          .with(Role.USER, "user")
          .with(Role.SESSION, "session_id")
          .with(Role.METADATA, "metadata")
          .with(Role.STORE, "store")
          .with(Role.MAX_TOKENS, "max_tokens", "max_completion_tokens", "max_output_tokens")
          .with(Role.CONVERSATION, "conversation");
  private static final KeyTable<Role> PROMPT_TOP =
      ANY_TOP
          .with(Role.ALL, "tools", "functions")
          .with(Role.EXTRA, "suffix")
          .with(Role.CUT, "truncate_prompt_tokens")
          .with(Role.TRUNCATION, "truncation")
          .with(Role.UNSEEN, "documents", "prompt_embeds", "previous_response_id");
  private static final KeyTable<Role> CHAT_TOP =
      PROMPT_TOP.with(Role.MESSAGES, "messages").with(Role.PROMPT, "prompt");
  private static final KeyTable<Role> MESSAGES_TOP =
      PROMPT_TOP.with(Role.MESSAGES, "messages").with(Role.SYSTEM, "system");
  private static final KeyTable<Role> RESPONSES_TOP =
      PROMPT_TOP
          .with(Role.MESSAGES, "input")
          .with(Role.SYSTEM, "instructions")
          .with(Role.UNSEEN, "prompt");
  private static final KeyTable<Role> IN_MESSAGE =
      new KeyTable<Role>()
          .with(Role.CONTENT, "content")
          .with(Role.OUTPUT, "output")
          .with(Role.EXTRA, "name", "arguments")
          .with(Role.ALL, "tool_calls", "function_call")
          .with(Role.SKIP, "role", "type", "id", "call_id", "tool_call_id", "status");
  private static final KeyTable<Role> METADATA_KEYS =
      new KeyTable<Role>().with(Role.USER, "user_id").with(Role.SESSION, "session_id");
  private static final KeyTable<Role> IN_PART =
      new KeyTable<Role>()
          .with(Role.CONTENT, "text")
          .with(Role.NESTED_CONTENT, "content")
          .with(Role.EXTRA, "name")
          .with(Role.ALL, "input")
          .with(Role.SKIP, "type", "id", "tool_use_id", "is_error", "cache_control")
          .with(Role.SKIP, "annotations");

  /// A name with each choice of its letters in capitals but none.
  private static String[] inCapitals(String name) {
    String[] out = new String[(1 << name.length()) - 1];
    for (int which = 1; which <= out.length; which++) {
      StringBuilder b = new StringBuilder(name);
      for (int k = 0; k < name.length(); k++) {
        if ((which >> k & 1) == 1) {
          b.setCharAt(k, Character.toUpperCase(name.charAt(k)));
        }
      }
      out[which - 1] = b.toString();
    }
    return out;
  }

  /// The text of one top-level key.
  private static final class Group {
    boolean given;
    long textBytes;
    long letters;
    long digits;
    long marks;
    long multiByte;
    long tokenIds;
    int prompts;
    int messages;
    boolean whole = true;

    long bytes() {
      return letters + digits + marks + multiByte;
    }

    /// As good as a new one.
    Group anew() {
      given = false;
      textBytes = 0;
      letters = 0;
      digits = 0;
      marks = 0;
      multiByte = 0;
      tokenIds = 0;
      prompts = 0;
      messages = 0;
      whole = true;
      return this;
    }
  }

  private static final Group NO_TEXT = new Group();

  private final Look look;
  private final KeyTable<Role> top;
  private Role role = Role.SKIP;
  private boolean modelGiven;
  private int modelTimes;
  private @Nullable String model;
  private @Nullable String modelProblem;
  private @Nullable String promptCacheKey;
  private @Nullable String user;
  private @Nullable String session;
  private boolean stream;
  private Store store = Store.UNSAID;
  private boolean conversation;
  private boolean truncation;
  private boolean cut;
  private boolean seen = true;
  private long maxTokens;
  private Group group = NO_TEXT;
  private Group messages = NO_TEXT;
  private Group prompt = NO_TEXT;
  private Group system = NO_TEXT;
  private Group tools = NO_TEXT;

  /// What these are once their keys have come.
  private final Group ofMessages = new Group();

  private final Group ofPrompt = new Group();
  private final Group ofSystem = new Group();
  private final Group ofTools = new Group();
  private final boolean kinds;

  /// @param kinds whether a prompt's text is told by kind of byte
  JsonPeek(Look look, boolean kinds) {
    this(look, kinds, Blocks.By.FASTER);
  }

  JsonPeek(Look look, boolean kinds, Blocks.By by) {
    super(kinds, by);
    this.kinds = kinds;
    this.look = look;
    this.top =
        switch (look) {
          case NOTHING -> ANY_TOP;
          case CHAT -> CHAT_TOP;
          case MESSAGES -> MESSAGES_TOP;
          case RESPONSES -> RESPONSES_TOP;
        };
  }

  @Override
  void reset() {
    super.reset();
    role = Role.SKIP;
    modelGiven = false;
    modelTimes = 0;
    model = null;
    modelProblem = null;
    promptCacheKey = null;
    user = null;
    session = null;
    stream = false;
    store = Store.UNSAID;
    conversation = false;
    truncation = false;
    cut = false;
    seen = true;
    maxTokens = 0;
    group = NO_TEXT;
    messages = NO_TEXT;
    prompt = NO_TEXT;
    system = NO_TEXT;
    tools = NO_TEXT;
  }

  @Override
  public Peeked peeked(long bytes) {
    if (empty()) {
      return Peeked.of(Form.EMPTY, bytes, null);
    }
    if (other()) {
      return Peeked.of(Form.OTHER, bytes, null);
    }
    String problem = problem();
    return new Peeked(
        problem == null ? Form.OBJECT : Form.BROKEN,
        modelProblem == null ? model : null,
        modelProblem,
        promptCacheKey,
        session != null ? session : user,
        stream,
        conversation ? Store.YES : store,
        maxTokens,
        bytes,
        look == Look.NOTHING ? null : extent(),
        look == Look.NOTHING || !kinds ? null : prompt(),
        problem);
  }

  private boolean isCompletion() {
    return look == Look.CHAT && !messages.given;
  }

  private Extent extent() {
    boolean completion = isCompletion();
    Group main = completion ? prompt : messages;
    return new Extent(
        completion ? prompt.prompts : 1,
        main.textBytes + system.textBytes,
        main.tokenIds,
        main.messages + system.messages,
        main.bytes() + system.bytes() + tools.bytes(),
        cut || truncation);
  }

  private Prompt prompt() {
    boolean completion = isCompletion();
    Group main = completion ? prompt : messages;
    return new Prompt(
        completion ? prompt.prompts : 1,
        main.textBytes + system.textBytes,
        main.tokenIds,
        main.messages + system.messages,
        main.letters + system.letters + tools.letters,
        main.digits + system.digits + tools.digits,
        main.marks + system.marks + tools.marks,
        main.multiByte + system.multiByte + tools.multiByte,
        seen && !conversation && main.whole && system.whole && tools.whole,
        cut || truncation);
  }

  @Override
  int topFrame() {
    return TOP;
  }

  @Override
  boolean repeats() {
    return frame() == MESSAGE || frame() == PART;
  }

  @Override
  boolean isIdle() {
    return role == Role.SKIP;
  }

  @Override
  Object mark() {
    return role;
  }

  @Override
  void mark(Object m) {
    role = (Role) m;
  }

  private static final Treatment[] OF_KEYS = new Treatment[IN_METADATA + 1];

  static {
    Arrays.fill(OF_KEYS, Treatment.SKIP);
    OF_KEYS[TOP] = OF_KEYS[MESSAGE] = OF_KEYS[PART] = OF_KEYS[IN_METADATA] = Treatment.KEEP;
    OF_KEYS[EVERYTHING] = Treatment.COUNT;
  }

  @Override
  Treatment key() {
    return OF_KEYS[frame()];
  }

  @Override
  void keyEnded() {
    switch (frame()) {
      case TOP -> topKey();
      case MESSAGE -> role = innerRole(IN_MESSAGE);
      case PART -> role = innerRole(IN_PART);
      case IN_METADATA -> {
        Role r = find(METADATA_KEYS);
        role = r == null ? Role.SKIP : r;
      }
      default -> add(false);
    }
  }

  /// Begins the group of a key that has one; what stood under it before counts no more. Tools and
  /// what else is added to a prompt share one.
  private void topKey() {
    Role r = find(top);
    role = r == null ? Role.SKIP : r;
    switch (role) {
      case MESSAGES -> group = messages = ofMessages.anew();
      case PROMPT -> group = prompt = ofPrompt.anew();
      case SYSTEM -> group = system = ofSystem.anew();
      case EXTRA, ALL -> group = tools = tools == NO_TEXT ? ofTools.anew() : tools;
      case MODEL_IN_CAPITALS -> {
        modelProblem = "model: spelled \"" + kept() + "\" (expected: model)";
        role = Role.SKIP;
      }
      default -> {}
    }
  }

  /// An unknown key in a message or a part may hold anything that the instance adds to the prompt.
  private Role innerRole(KeyTable<Role> known) {
    Role r = find(known);
    return r == null ? Role.UNSEEN : r;
  }

  private @Nullable Role find(KeyTable<Role> known) {
    return known.find(text.kept(), text.keptFrom(), text.keptBytes());
  }

  /// What the value that begins is to us.
  private Role role() {
    return switch (frame()) {
      case TOP, MESSAGE, PART, IN_METADATA -> role;
      case MESSAGES, PARTS -> Role.ELEMENT;
      case PROMPTS -> Role.PROMPT;
      case EVERYTHING -> Role.ALL;
      default -> Role.SKIP;
    };
  }

  @Override
  Treatment string() {
    return switch (role()) {
      case MODEL, CACHE_KEY, USER, SESSION, TRUNCATION -> Treatment.KEEP;
      case MESSAGES -> look == Look.RESPONSES ? Treatment.COUNT : Treatment.SKIP;
      case OUTPUT -> look == Look.RESPONSES ? Treatment.COUNT : Treatment.SKIP;
      case PROMPT, SYSTEM, CONTENT, NESTED_CONTENT, EXTRA, ALL -> Treatment.COUNT;
      case CONVERSATION -> {
        conversation = true;
        yield Treatment.SKIP;
      }
      case UNSEEN -> {
        unseen();
        yield Treatment.SKIP;
      }
      default -> Treatment.SKIP;
    };
  }

  @Override
  void stringEnded() {
    Role r = role();
    switch (r) {
      case MODEL -> model();
      case CACHE_KEY -> promptCacheKey = text.keptBytes() < 0 ? null : kept();
      case USER -> user = text.keptBytes() <= 0 ? null : kept();
      case SESSION -> session = text.keptBytes() <= 0 ? null : kept();
      case TRUNCATION -> truncation = kept().equals("auto");
      default -> {
        if (text.isDataUrl()) {
          unseen();
          return;
        }
        if (r == Role.PROMPT) {
          group.prompts++;
        }
        if (r == Role.MESSAGES || r == Role.SYSTEM) {
          group.messages++;
          group.given = true;
        }
        add(r != Role.EXTRA && r != Role.ALL);
      }
    }
  }

  private String kept() {
    return new String(text.kept(), text.keptFrom(), Math.max(0, text.keptBytes()), UTF_8);
  }

  /// Adds the string that has ended to its group.
  ///
  /// @param clients whether it is the client's own text
  private void add(boolean clients) {
    group.letters += text.letters();
    group.digits += text.digits();
    group.marks += text.marks();
    group.multiByte += text.multiByte();
    if (clients) {
      group.textBytes += text.letters() + text.digits() + text.marks() + text.multiByte();
    } else if (frame() == EVERYTHING) {
      group.marks += 2;
    }
  }

  private void unseen() {
    if (frame() == TOP) {
      seen = false;
    } else {
      group.whole = false;
    }
  }

  private void model() {
    if (text.keptBytes() < 0) {
      modelProblem =
          "model: longer than " + JsonString.MOST_KEPT_BYTES + " bytes (expected: a model's name)";
      return;
    }
    modelIs(kept());
  }

  /// Null and an empty name are one value: none.
  private void modelIs(String m) {
    if (modelGiven && !m.equals(model == null ? "" : model)) {
      modelProblem =
          "model: given twice, \"%s\" and \"%s\" (expected: once)"
              .formatted(model == null ? "" : model, m);
    }
    modelGiven = true;
    model = m.isEmpty() ? model : m;
    if (++modelTimes > ModelSpots.MOST) {
      modelProblem = ModelSpots.TOO_OFTEN;
    }
  }

  private void modelIsNo(String what) {
    modelProblem = "model: " + what + " (expected: a string)";
  }

  @Override
  void scalar(Scalar what) {
    if (frame() == IDS || frame() == PROMPTS) {
      if (what == Scalar.INTEGER) {
        group.tokenIds++;
        group.prompts += frame() == PROMPTS && group.tokenIds == 1 ? 1 : 0;
      }
      return;
    }
    boolean something = what != Scalar.NULL;
    switch (role()) {
      case MODEL -> {
        if (!something) {
          modelIs("");
        } else {
          modelIsNo(
              switch (what) {
                case TRUE -> "true";
                case FALSE -> "false";
                case INTEGER -> wholeText();
                default -> "a number";
              });
        }
      }
      case STREAM -> stream = what == Scalar.TRUE;
      case CACHE_KEY -> promptCacheKey = null;
      case STORE ->
          store = what == Scalar.TRUE ? Store.YES : what == Scalar.FALSE ? Store.NO : Store.UNSAID;
      case CONVERSATION -> conversation |= something;
      case MAX_TOKENS ->
          maxTokens = what == Scalar.INTEGER ? Math.max(maxTokens, number()) : maxTokens;
      case CUT -> cut = what == Scalar.INTEGER;
      case UNSEEN -> {
        if (something) {
          unseen();
        }
      }
      default -> {}
    }
  }

  @Override
  int begins(boolean object) {
    Role r = role();
    if (frame() == PROMPTS) {
      group.prompts += object ? 0 : 1;
      return object ? SKIPPED : IDS;
    }
    switch (r) {
      case MODEL -> modelIsNo(object ? "an object" : "an array");
      case CACHE_KEY -> promptCacheKey = null;
      case STREAM -> stream = false;
      case CONVERSATION -> conversation = true;
      case METADATA -> {
        return object ? IN_METADATA : SKIPPED;
      }
      case UNSEEN -> unseen();
      case MESSAGES -> {
        group.given = !object;
        return object ? SKIPPED : MESSAGES;
      }
      case PROMPT -> {
        return object ? SKIPPED : PROMPTS;
      }
      case SYSTEM -> {
        group.messages++;
        return object ? SKIPPED : PARTS;
      }
      case CONTENT -> {
        return object ? SKIPPED : PARTS;
      }
      case NESTED_CONTENT, OUTPUT -> {
        return object || look == Look.CHAT ? SKIPPED : PARTS;
      }
      case ELEMENT -> {
        if (frame() == MESSAGES && object) {
          group.messages++;
          return MESSAGE;
        }
        return object ? PART : SKIPPED;
      }
      case ALL -> {
        group.marks += 2;
        return EVERYTHING;
      }
      default -> {}
    }
    return SKIPPED;
  }
}
