package org.infinilm.svc.workload;

import java.util.List;
import java.util.Random;

/// English filler text about one of eight topics; the same generator state gives the same text.
final class Prose {
  /// @param name what the conversation is about
  /// @param things plural nouns that sentences are made of
  private record Topic(String name, List<String> things) {}

  private static final List<Topic> TOPICS =
      List.of(
          new Topic(
              "a city tram network",
              List.of("trams", "stops", "timetables", "depots", "switches", "drivers")),
          new Topic(
              "a mountain garden",
              List.of("terraces", "seedlings", "stone walls", "bees", "cold frames", "springs")),
          new Topic(
              "a small bakery",
              List.of(
                  "ovens", "loaves", "flour sacks", "morning orders", "recipes", "apprentices")),
          new Topic(
              "a weather station",
              List.of(
                  "barometers", "wind vanes", "rain gauges", "readings", "forecasts", "storms")),
          new Topic(
              "a public library",
              List.of(
                  "shelves", "catalogue cards", "readers", "old maps", "loans", "reading rooms")),
          new Topic(
              "a fishing harbour",
              List.of("boats", "nets", "tides", "harbour lights", "cranes", "crews")),
          new Topic(
              "a chess club",
              List.of("openings", "endgames", "tournaments", "clocks", "beginners", "trainers")),
          new Topic(
              "a railway museum",
              List.of(
                  "locomotives",
                  "signal boxes",
                  "tickets",
                  "volunteers",
                  "workshops",
                  "visitors")));

  private static final List<String> OPENINGS =
      List.of(
          "Here are my notes about %s; please keep them in mind. ",
          "I am collecting facts about %s and need your help with them. ",
          "Let us talk about %s; first some background. ",
          "My report on %s is due soon, and this is what I have so far. ",
          "Someone told me the story of %s; I wrote it down as I heard it. ");

  private static final List<String> QUESTIONS =
      List.of(
          "What changes when the %s depend on the %s? ",
          "Which of the %s would you look at first, and why before the %s? ",
          "How do the %s and the %s work together? ",
          "Can you compare the %s with the %s in two sentences? ",
          "Is it true that the %s came long before the %s? ",
          "Suppose the %s were gone; what would become of the %s? ",
          "Who looks after the %s while the %s are being repaired? ",
          "Please explain to a child why the %s need the %s. ");

  private static final List<String> STATEMENTS =
      List.of(
          "In year %3$d the %1$s were counted twice, and the %2$s were repaired. ",
          "Most people notice the %1$s first; the %2$s matter just as much. ",
          "Number %3$d in the list names the %1$s next to the %2$s. ",
          "When the %1$s are late, the %2$s wait for about %3$d minutes. ",
          "Nobody had planned for %3$d of the %1$s, so the %2$s were moved. ",
          "The %1$s cost more than the %2$s, by a factor of %3$d in some seasons. ",
          "A visitor asked about the %1$s and was shown the %2$s and page %3$d. ",
          "Without the %1$s there would be no reason to keep %3$d of the %2$s. ",
          "The old plan shows %3$d of the %1$s on the left and all of the %2$s on the right. ",
          "Early in the morning the %1$s are quiet, while the %2$s are already busy. ",
          "It took %3$d days to paint the %1$s, and nobody thought of the %2$s. ",
          "Some say that the %1$s were better before the %2$s were replaced. ",
          "A letter from that winter asks for %3$d more of the %1$s and fewer of the %2$s. ",
          "The %1$s are checked twice a week; the %2$s only when something breaks. ",
          "Between the %1$s and the %2$s there is a narrow path of about %3$d steps. ",
          "Whoever repairs the %1$s learns a good deal about the %2$s as well. ",
          "On a rainy day up to %3$d people come to see the %1$s and stay for the %2$s. ",
          "The budget names the %1$s on page %3$d and forgets the %2$s entirely. ",
          "If the %1$s fail, somebody walks over to the %2$s and rings a bell. ",
          "There were once %3$d of the %2$s; today the %1$s do their work. ");

  private Prose() {}

  /// The first message of a conversation: background, exactly `length` characters.
  static String opening(int topic, int length, Random random) {
    StringBuilder text = new StringBuilder(length + 128);
    text.append(pick(OPENINGS, random).formatted(topic(topic).name()));
    text.append(sentence(QUESTIONS, topic, random));
    return fill(text, topic, length, random);
  }

  /// A later question, exactly `length` characters.
  static String question(int topic, int length, Random random) {
    StringBuilder text = new StringBuilder(length + 128);
    text.append(sentence(QUESTIONS, topic, random));
    return fill(text, topic, length, random);
  }

  /// A reply in the history, exactly `length` characters.
  static String reply(int topic, int length, Random random) {
    return fill(new StringBuilder(length + 128), topic, length, random);
  }

  private static String fill(StringBuilder text, int topic, int length, Random random) {
    while (text.length() < length) {
      text.append(sentence(STATEMENTS, topic, random));
    }
    text.setLength(length);
    return text.toString();
  }

  private static String sentence(List<String> forms, int topic, Random random) {
    List<String> things = topic(topic).things();
    int first = random.nextInt(things.size());
    int second = (first + 1 + random.nextInt(things.size() - 1)) % things.size();
    return pick(forms, random)
        .formatted(things.get(first), things.get(second), 2 + random.nextInt(998));
  }

  private static Topic topic(int index) {
    return TOPICS.get(index % TOPICS.size());
  }

  private static String pick(List<String> from, Random random) {
    return from.get(random.nextInt(from.size()));
  }
}
