package org.infinilm.svc.deploy;

/// Plain English filler for test prompts: ASCII sentences without characters that JSON escapes, the
/// same for every call.
final class EnglishText {
  private static final String[] WHO = {
    "The old ferryman", "A young teacher", "The night guard", "My neighbour", "The baker",
    "A quiet girl", "The station master", "An engineer", "The gardener", "A small dog",
    "The captain", "Her brother"
  };
  private static final String[] DID = {
    "walked to", "looked at", "talked about", "wrote a letter about", "waited near",
    "painted", "remembered", "dreamed of", "took a photo of", "slowly left"
  };
  private static final String[] WHAT = {
    "the harbour",
    "the long bridge",
    "a garden full of roses",
    "the empty market",
    "the stone house",
    "a narrow street",
    "the blue lake",
    "the railway line",
    "the library",
    "an orchard",
    "the lighthouse"
  };
  private static final String[] WHEN = {
    "before the rain came",
    "on a cold morning",
    "when the bells rang",
    "after a long day",
    "while the children were playing",
    "late in the summer",
    "as the sun went down",
    "because the train was late",
    "and thought of home"
  };

  private EnglishText() {}

  /// Exactly `bytes` bytes of text.
  static String of(int bytes) {
    StringBuilder text = new StringBuilder(bytes + 96);
    int n = 0;
    while (text.length() < bytes) {
      // The steps are coprime to the lengths, so that sentences repeat only after thousands.
      text.append(WHO[n * 5 % WHO.length])
          .append(' ')
          .append(DID[n * 3 % DID.length])
          .append(' ')
          .append(WHAT[n * 7 % WHAT.length])
          .append(' ')
          .append(WHEN[(n * 2 + n / WHEN.length) % WHEN.length])
          .append(". ");
      n++;
    }
    text.setLength(bytes);
    return text.toString();
  }
}
