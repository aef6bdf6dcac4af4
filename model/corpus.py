"""Generates all training text: questions and answers about the system, stories, plain English.

Everything is drawn from knowledge.txt, lexicon.txt and the patterns below; nothing is downloaded.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
VOWELS = "aeiou"
MASS_NOUNS = frozenset(
    "bread soup milk water cheese stone wood iron gold silver glass wall roof floor gate fence fire thread "
    "cloth paper moon sun cloud rain snow wind storm sky star tree feather engine".split()
)
SHE_NAMES = frozenset(
    "Anna Clara Emma Grace Ida Kate Mary Nora Rosa Tina Lucy Mia Ruth Alice Dora Eva Jane Lena Nina Sara".split()
)


@dataclass
class Topic:
    """What may be asked about one thing, and what the answer is."""

    name: str
    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; only assistant turns are learned."""

    role: str
    text: str


def read_knowledge(path: Path = HERE / "knowledge.txt") -> tuple[list[Topic], dict[str, str]]:
    topics: list[Topic] = []
    lists: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        kind, _, rest = line.partition(" ")
        if kind.startswith("@"):
            lists[kind[1:]] = rest
        elif kind == "=":
            topics.append(Topic(rest))
        elif kind == "Q" and topics:
            topics[-1].questions.append(rest)
        elif kind == "A" and topics:
            topics[-1].answers.append(rest)
        else:
            raise ValueError(f"{path.name}:{number}: {line!r} (expected: a line that starts with @, =, Q or A)")
    for topic in topics:
        if not topic.questions or not topic.answers:
            raise ValueError(f"{path.name}: topic {topic.name} (expected: at least one Q and one A)")
    return topics, lists


_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_LIST = re.compile(r"\{([a-z]+)\}")


def expand(pattern: str, lists: dict[str, str], rng: random.Random) -> str:
    """Draws one sentence of a pattern."""

    def choice(match: re.Match[str]) -> str:
        return rng.choice(match.group(1).split("|"))

    text = _LIST.sub(lambda m: lists[m.group(1)] if m.group(1) in lists else m.group(0), pattern)
    while "[" in text:
        text, replaced = _INNERMOST.subn(choice, text)
        if not replaced:
            raise ValueError(f"pattern {pattern!r} (expected: balanced square brackets)")
    return re.sub(r"\s+([,.])", r"\1", re.sub(r"\s+", " ", text)).strip()


class Lexicon:
    """Common words by kind with their forms."""

    def __init__(self, path: Path = HERE / "lexicon.txt") -> None:
        self.kinds: dict[str, list[str]] = {}
        kind = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("["):
                kind = line.strip("[]")
                self.kinds[kind] = []
            elif line and not line.startswith("#"):
                self.kinds[kind] += [w for w in line.split() if w not in self.kinds[kind]]
        self.people = [w.split("/")[0] for w in self.kinds["people"]]
        self.animals = [w.split("/")[0] for w in self.kinds["animals"]]
        self.places = [w.split("/")[0] for w in self.kinds["places"]]
        self.things = [w.split("/")[0] for w in self.kinds["things"]]
        self.abstract = [w.split("/")[0] for w in self.kinds["abstract"]]
        self.verbs = [w.split("/") for w in self.kinds["verbs"] if not w.startswith("be/")]
        self.countable = [w for w in self.things if w not in MASS_NOUNS]
        self.adjectives = self.kinds["adjectives"]
        self.names = self.kinds["names"][: self.kinds["names"].index("London")]

    def joined(self) -> list[tuple[str, str]]:
        """Neighbours that become one piece, with spaces and line breaks in place."""
        pairs = [entry.replace("_", "\u2581").replace("|", "\n").split("+") for entry in self.kinds["joined"]]
        return [(left, right) for left, right in pairs]

    def weights(self) -> dict[str, float]:
        """Every word form with a weight that falls along its list; the tokenizer learns from it."""
        found: dict[str, float] = {}

        def put(word: str, weight: float) -> None:
            found[word] = max(found.get(word, 0.0), weight)
            if word.islower():
                found[word.capitalize()] = max(found.get(word.capitalize(), 0.0), 0.08 * weight)

        base = {"function": 60.0, "adverbs": 6.0, "verbs": 10.0, "adjectives": 7.0, "names": 2.0,
                "more": 3.0, "wide": 2.5, "people": 4.0, "animals": 2.5, "places": 4.0, "things": 3.0, "abstract": 8.0}
        for kind, entries in self.kinds.items():
            if kind == "joined":
                continue
            for index, entry in enumerate(entries):
                weight = base[kind] / (1.0 + 0.004 * index) if kind != "wide" else base[kind]
                forms = entry.split("/")
                put(forms[0], weight)
                if kind == "verbs":
                    for form in verb_forms(forms)[1:]:
                        put(form, 0.5 * weight)
                elif kind in ("people", "animals", "places", "things", "abstract"):
                    put(plural(forms), 0.5 * weight)
                elif kind == "adjectives" and weight > 3.0:
                    put(adverb(entry), 0.2 * weight)
                elif kind == "wide" and entry.islower() and len(entry) > 4 and not entry.endswith(("s", "y", "ed", "ing")):
                    put(plural(forms), 0.15 * weight)
        return found


def plural(forms: list[str]) -> str:
    word = forms[0]
    if len(forms) > 1:
        return forms[1]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def adverb(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ily"
    if word.endswith("le"):
        return word[:-1] + "y"
    return word + ("ally" if word.endswith("ic") else "ly")


def _doubles(word: str) -> bool:
    short = len(word) <= 4 or word in {"admit", "prefer", "refer", "submit", "commit", "occur", "forget", "begin", "transfer", "permit"}
    return short and len(word) > 2 and word[-1] not in "wxyaeiou" and word[-2] in VOWELS and word[-3] not in VOWELS


def verb_forms(forms: list[str]) -> list[str]:
    """Base, third person, past, participle, -ing."""
    word = forms[0]
    if word in ("have", "do", "go"):
        third = {"have": "has", "do": "does", "go": "goes"}[word]
    else:
        third = plural([word])
    stem = word[:-1] if word.endswith("e") and not word.endswith(("ee", "ye")) else word
    if word.endswith("ie"):
        stem_ing = word[:-2] + "y"
    else:
        stem_ing = word + word[-1] if _doubles(word) else stem
    if len(forms) == 3:
        return [word, third, forms[1], forms[2], stem_ing + "ing"]
    if word.endswith("e"):
        past = word + "d"
    elif word.endswith("y") and word[-2] not in VOWELS:
        past = word[:-1] + "ied"
    else:
        past = (word + word[-1] if _doubles(word) else word) + "ed"
    return [word, third, past, past, stem_ing + "ing"]


def article(word: str) -> str:
    return ("an " if word[0] in VOWELS and not word.startswith("us") and not word.startswith("un") else "a ") + word


OPENERS = """please|hey,|hello,|hi,|sorry,|excuse me,|one question:|quick question:|so,|ok,|and|well,|now|then|
i have a question:|question:|can you help?|good morning,|good evening,|hi there,|dear model,|tell me,|actually,|
may i ask:|just wondering,|i wonder,|another question:|next question:|thanks.|ok thanks.|great.|but|
i am new here.|i am a beginner.|i have just installed it.|i have just started.|my boss asked me:|
i read the readme.|i am lost.|i am curious.|i use linux.|i am on a mac.|we have two servers.|
it is my first day.|i sent a request.|i got an answer.|it works well.|nice work.|i am testing this.|
i have never used this before.|i am not sure i understand.|we want to use this at work.|the demo runs.|
i have a large document.|it is late.|sorry for the question.|simple question,|in simple words,|could you tell me,|
would you tell me:|do you know:|please tell me:|i want to know:|i would like to know:|maybe you know:|
i need your help:|explain to me:|let me ask:|my friend asks:""".replace("\n", "").split("|")

CLOSERS = """please|here|in this system|exactly|for me|now|then|with infini|, thank you|on my machine|in short|
today|by default|on this machine|in one sentence|again|, please|in general|at all|for us|, do you know|, can you tell me|
in simple words|for a beginner|in this project|with this program|there|right now|, thanks|in your system|, if i may ask|
when i use curl|on linux|from the command line|in a few words|for my project|in the demo|after that|at the moment|
really|in detail|on my laptop|for my team""".replace("\n", "").split("|")

SYSTEM_PROMPTS = """You are a helpful assistant.|You are a helpful, honest assistant.|Answer in short sentences.|
You answer questions about this system.|Be brief and polite.|You are a friendly model.|Answer the question of the user.|
You are an assistant that knows InfiniLM-SVC.|Keep answers short.|You are a chat model. Today is Monday.|
Act as an expert for servers.|Please be exact.|You are a large language model.|Speak simple English.""".replace("\n", "").split("|")

UNKNOWN_PATTERNS = """what is the [capital|language|population|history|flag|president|king] of {country}
who [is|was] {name} [the {person}|]
who [wrote|invented|discovered|painted] the {thing}
how do i [cook|bake|make|draw|paint|build|repair|clean|buy|sell|find|fix] a {adjective} {thing}
how [old|far|tall|heavy|deep|high] is [the|a] {place}
how far is the {place} from the {place}
why [is|are] the {thing} {adjective}
why do {animals} {verb}
why does a {animal} {verb}
where [is|can i find] the [nearest|best|] {place}
where do {animals} [live|sleep|go in winter]
when [did|does|will] the {person} {verb}
what do {animals} [eat|like|do|drink]
what is the {adjective} {abstract} of the {place}
what is the meaning of {abstract}
what is [a|the] {adjective} {thing}
what is a {animal}
what is a {thing}
what [color|colour|size|shape] is [a|the] {thing}
is a {animal} [bigger|smaller|faster|older] than a {animal}
can you [{verb}|{verb} the {thing}] [for me|]
will it [rain|snow] [tomorrow|today]
what is the weather [like|in {country}|tomorrow]
what time is it [in {country}|]
what is [2|3|7|12] [plus|times|minus] [2|5|9|10]
calculate [12|17|3] [plus|times] [4|8]
do you [like|love|know|have] [{animals}|music|a {thing}|my {person}|{country}|{name}]
give me a recipe for {thing}
translate {thing} [to|into] [german|french|chinese]
which {thing} should i [buy|take|use|choose]
who won the [game|race|war|match|prize] [yesterday|last year|]
what happened in {country} [last year|yesterday|in the war]
how many {animals} are [in the {place}|there]
should i [buy|sell|eat|paint|wash] the {thing}
what did the {person} [say|do|eat|buy]
write [a poem|an essay|a letter|code|a text] about {abstract}
write [a|some] [python|java|javascript|] [function|program|code|script] that {verb} the {thing}
what is [2|3|17|4]+[2|5|9]
explain [the {abstract} of {country}|{abstract}|love|war|music|the moon|rain]
tell me [about|something about] {country}
how does a [clock|bicycle|phone|camera|car|ship|bell|lamp] work""".split("\n")

UNKNOWN_ANSWERS = [
    "I do not know that. I am a very small model and know only this system. Ask me about caches, ports or routing, or for a story.",
]

STATEMENTS = """i [like|love|hate|want|need|have|see] [the|a|my] {adjective} {thing}
the {animal} is {adjective}
my {person} is {adjective}
{name} [likes|loves|has] a {thing}
it is {adjective} today
i am {adjective}
the weather is {adjective}
we went to the {place}
i saw a {animal} in the {place}
{name} and {name} went to the {place}
the {person} has a {adjective} {thing}
say something
continue
go on
more
another one
surprise me
i am bored
entertain me
{thing} {thing} {thing}
{adjective} {thing}""".split("\n")

STORY_REQUESTS = """tell me a [short|small|little|nice|funny|sad|] story [please|]
write a [short|small|little|nice|funny|] story [please|]
[can you|could you|please|will you] tell [me|us] a story
a story [please|]
story
i want [to hear|] a story
read me a story
once upon a time
make up a story
tell a tale
tell me something [nice|funny|]
tell me a [joke|tale]
a bedtime story [please|]""".split("\n")

STORY_REQUESTS_ABOUT = """tell me a [short|small|little|] story about [a {what}|the {what}|a {adjective} {what}]
write a [short|small|little|] story about [a {what}|the {what}]
a story about a {what} [please|]
[can you|could you|please] tell me about a {what} in a story
i want a story about a {what}
do you know a story about a {what}
write about a {what}""".split("\n")

LONG_TEXT_ANSWERS = [
    "I have read your message to the end, but I am a very small model and cannot sum it up. "
    "The header x-infini-pool says which cache took it.",
]
OTHER_SCRIPT_ANSWERS = ["I understand only simple English. Please ask me in English."]
EMPTY_ANSWERS = ["You wrote nothing. Ask me about caches, ports or routing, or for a story."]


STORY_SEED = 11
STORY_HEROES = "cat dog mouse fox owl bear rabbit horse bird duck king queen boy girl farmer sailor".split()


# What newcomers ask first: drawn twice as often as the other topics.
FIRST_TOPICS = frozenset(
    "paged-cache static-cache difference where-did-it-go why-there set-threshold default-threshold router registry "
    "babysitter start stop status decisions metrics hello who gpu own-model no-instance ping capabilities".split()
)


class Corpus:
    """Draws documents; one seed gives one sequence of documents."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.topics, self.lists = read_knowledge()
        missing = FIRST_TOPICS - {topic.name for topic in self.topics}
        if missing:
            raise ValueError(f"FIRST_TOPICS: {', '.join(sorted(missing))} (expected: topics of knowledge.txt)")
        self._drawn = self.topics + [topic for topic in self.topics if topic.name in FIRST_TOPICS]
        self._drawn += [topic for topic in self.topics if topic.name == "hello"] * 4
        self.lexicon = Lexicon()
        reserved = " ".join(" ".join(t.questions) for t in self.topics)
        self._taken = set(re.findall(r"[a-z]+", reserved))
        entries = json.loads((HERE / "questions.json").read_text(encoding="utf-8"))
        self.rare_words = True  # words that the model is to pass over
        self._held_out = {normal(e["question"]) for e in entries if not e["seen"]}
        plots: list[Callable[[str | None], str]] = [
            self._lost_thing, self._new_friend, self._storm, self._bridge, self._gift, self._wish,
            self._race, self._hungry, self._repair, self._night,
        ]
        # So small a model tells a story straight only if it knows it by heart: a fixed set, one a hero.
        self.rng = random.Random(STORY_SEED)
        self.stories = {hero: plots[i % len(plots)](hero) for i, hero in enumerate(STORY_HEROES)}
        self.rng = random.Random(seed)

    # Plain English

    def noun(self) -> str:
        lexicon = self.lexicon
        if self.rare_words and self.rng.random() < 0.12:
            return self.rng.choice(lexicon.kinds["wide"])
        return self.rng.choice(self.rng.choice([lexicon.people, lexicon.animals, lexicon.places,
                                                lexicon.things, lexicon.things, lexicon.abstract, lexicon.abstract]))

    def phrase(self) -> str:
        rng = self.rng
        word = self.noun()
        adjective = rng.choice(self.lexicon.adjectives) if rng.random() < 0.4 else ""
        first = adjective or word
        start = rng.choice(["the", "the", "the", "a", "this", "my", "their", "our", "his", "her", "every"])
        start = article(first) if start == "a" else f"{start} {first}"
        text = f"{start} {word}" if adjective else start
        return text + (f" of the {self.noun()}" if rng.random() < 0.1 else "")

    def sentence(self) -> str:
        """One grammatical sentence without much sense."""
        rng = self.rng
        verb = verb_forms(rng.choice(self.lexicon.verbs))
        person = rng.choice(self.lexicon.names) if rng.random() < 0.15 else self.phrase()
        where = f" {rng.choice(['in', 'near', 'behind', 'from', 'at', 'with', 'under', 'for', 'after'])} {self.phrase()}"
        kind = rng.randrange(9)
        if kind == 0:
            text = f"{person} {verb[2]} {self.phrase()}{where}"
        elif kind == 1:
            text = f"{person} is {rng.choice(self.lexicon.adjectives)}"
            if rng.random() < 0.5:
                text += f" {rng.choice(['and', 'but'])} {rng.choice(self.lexicon.adjectives)}"
        elif kind == 2:
            text = f"{person} will {verb[0]} {self.phrase()}"
        elif kind == 3:
            text = f"{rng.choice(['we', 'they', 'you', 'I'])} {rng.choice(['can', 'must', 'may', 'should', 'could'])} {verb[0]} {self.phrase()}{where}"
        elif kind == 4:
            text = f"{rng.choice(['when', 'if', 'because', 'while', 'before'])} {person} {verb[2]}{where}, {self.phrase()} {verb_forms(rng.choice(self.lexicon.verbs))[2]} {self.phrase()}"
        elif kind == 5:
            text = f"there {rng.choice(['is', 'was'])} {article(self.noun())}{where}"
        elif kind == 6:
            text = f"{person} has {verb[3]} {self.phrase()} {rng.choice(self.lexicon.kinds['adverbs'])}"
        elif kind == 7:
            text = f"{person} was {verb[4]}{where}"
        else:
            text = f"{person} {verb[1]} {self.phrase()}, and {self.phrase()} {verb_forms(rng.choice(self.lexicon.verbs))[1]}{where}"
        return text[0].upper() + text[1:] + rng.choice([".", ".", ".", ".", ".", ".", "!", ";"]).replace(";", ".")

    def paragraph(self, sentences: int) -> str:
        return " ".join(self.sentence() for _ in range(sentences))

    # Stories

    def story(self, about: str | None = None) -> str:
        """One of the fixed stories, about this hero if there is one."""
        return self.stories[about if about in self.stories else self.rng.choice(STORY_HEROES)]

    def _hero(self, about: str | None) -> tuple[str, str, str, str, str]:
        """First mention, name, subject, object and possessive pronoun."""
        rng = self.rng
        name = rng.choice(self.lexicon.names)
        she = name in SHE_NAMES
        people = ["girl", "queen", "woman", "princess"] if she else ["boy", "king", "man", "prince"]
        people += ["farmer", "baker", "sailor", "teacher", "painter"]
        kind = about or rng.choice(rng.choice([self.lexicon.animals, people]))
        if about in ("girl", "queen", "woman", "princess", "mother", "sister", "grandmother", "aunt"):
            she, name = True, rng.choice(sorted(SHE_NAMES))
        elif about in ("boy", "king", "man", "prince", "father", "brother", "grandfather", "uncle"):
            she, name = False, rng.choice([n for n in self.lexicon.names if n not in SHE_NAMES])
        adjective = rng.choice(["little", "old", "young", "kind", "brave", "shy", "clever", "small", "happy", "lonely"])
        pronouns = ("she", "her", "her") if she else ("he", "him", "his")
        return (f"{article(adjective)} {kind} {'named' if rng.random() < 0.5 else 'called'} {name}", name, *pronouns)

    def _opening(self, hero: str) -> str:
        place = self.rng.choice(["village", "forest", "farm", "valley", "town", "hill", "river", "lake", "garden", "mill"])
        return self.rng.choice([
            f"Once upon a time there was {hero}.",
            f"Once there was {hero} who lived near a {place}.",
            f"Near a small {place} lived {hero}.",
            f"Long ago, {hero} lived by a quiet {place}.",
        ])

    def _ending(self, name: str) -> str:
        return self.rng.choice([
            f"{name} was very happy.", f"That night {name} slept well.", f"And {name} smiled all day.",
            f"From that day on, {name} was never sad again.", f"{name} never forgot that day.",
        ])

    def _lost_thing(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, his = self._hero(about)
        thing, place = rng.choice(self.lexicon.countable), rng.choice(self.lexicon.places)
        friend = rng.choice(self.lexicon.animals)
        return (f"{self._opening(hero)} One day {name} lost {his} {thing}. {he.capitalize()} looked for it in the {place}, "
                f"but it was not there. Then a {rng.choice(['small', 'wise', 'kind', 'big'])} {friend} came and said: "
                f"\"I have seen your {thing}. Come with me.\" They found the {thing} under a tree. {self._ending(name)}")

    def _new_friend(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, him, _ = self._hero(about)
        friend = rng.choice(self.lexicon.animals)
        return (f"{self._opening(hero)} {name} had no friends and was often sad. One morning {he} met {article(friend)}. "
                f"\"Will you play with me?\" asked the {friend}. \"Yes,\" said {name}. They played until the evening, "
                f"and the {friend} came to see {him} every day. {self._ending(name)}")

    def _storm(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, his = self._hero(about)
        animal = rng.choice(self.lexicon.animals)
        return (f"{self._opening(hero)} One night a great storm came. The wind was loud and the rain was cold. "
                f"{name} heard a small voice at the door. It was a wet {animal}. \"Come in,\" said {name}, and {he} gave "
                f"the {animal} warm milk and {his} best blanket. In the morning the sun was shining. {self._ending(name)}")

    def _bridge(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, _ = self._hero(about)
        animal = rng.choice(self.lexicon.animals)
        return (f"{self._opening(hero)} One day {he} came to a narrow bridge. On the other side stood {article(animal)}. "
                f"\"I want to cross first,\" said the {animal}. \"Please go,\" said {name}, \"I have time.\" "
                f"The {animal} was so surprised that it said thank you. {self._ending(name)}")

    def _gift(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, his = self._hero(about)
        thing = rng.choice(self.lexicon.countable)
        family = rng.choice(["mother", "father", "grandmother", "friend", "sister", "brother", "teacher"])
        return (f"{self._opening(hero)} It was the birthday of {his} {family}, but {name} had no money for a gift. "
                f"So {he} made a {thing} with {his} own hands. \"This is the best {thing} in the world,\" "
                f"said {his} {family}. {self._ending(name)}")

    def _wish(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, him, _ = self._hero(about)
        thing = rng.choice(self.lexicon.countable)
        return (f"{self._opening(hero)} One day {name} found a golden fish in a bucket. \"Let me go,\" said the fish, "
                f"\"and you may make a wish.\" {name} thought for a long time. Then {he} asked for a {thing}. "
                f"The next day there was a {thing} in front of the door. {self._ending(name)}")

    def _race(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, him, _ = self._hero(about)
        animal = rng.choice(self.lexicon.animals)
        place = rng.choice(self.lexicon.places)
        return (f"{self._opening(hero)} A fast {animal} laughed at {him}. \"Let us run to the {place},\" said {name}. "
                f"The {animal} ran so fast that it lost its way. {name} walked slowly and came to the {place} first. "
                f"{self._ending(name)}")

    def _hungry(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, his = self._hero(about)
        animal, food = rng.choice(self.lexicon.animals), rng.choice(["apple", "cake", "pear", "sandwich"])
        return (f"{self._opening(hero)} On the way home {he} met a hungry {animal}. {name} had only one {food}. "
                f"\"We can share it,\" said {name}. They ate the {food} together, and the {animal} showed {name} "
                f"the way through the forest. {self._ending(name)}")

    def _repair(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, his = self._hero(about)
        thing, person = rng.choice(self.lexicon.countable), rng.choice(self.lexicon.people)
        return (f"{self._opening(hero)} One day the {thing} was broken. \"Nobody can repair it,\" said the {person}. "
                f"{name} took {his} tools and worked all night. In the morning the {thing} was as good as new. {self._ending(name)}")

    def _night(self, about: str | None) -> str:
        rng = self.rng
        hero, name, he, _, _ = self._hero(about)
        animal = rng.choice(self.lexicon.animals)
        return (f"{self._opening(hero)} {name} was afraid of the dark. \"Look up,\" said the {animal}, "
                f"\"the stars are small lamps.\" {name} looked up and counted the stars. When {he} came to ten, "
                f"{he} was asleep. {self._ending(name)}")

    # Questions

    def _fill(self, pattern: str) -> str:
        rng, lexicon = self.rng, self.lexicon
        countries = ["china", "france", "germany", "japan", "india", "africa", "london", "paris", "america", "europe", "england"]

        def word(match: re.Match[str]) -> str:
            kind = match.group(1)
            if kind == "animals":
                return plural(rng.choice(lexicon.kinds["animals"]).split("/"))
            return {"country": lambda: rng.choice(countries), "name": lambda: rng.choice(lexicon.names).lower(),
                    "person": lambda: rng.choice(lexicon.people), "animal": lambda: rng.choice(lexicon.animals),
                    "thing": lambda: rng.choice(lexicon.things), "place": lambda: rng.choice(lexicon.places),
                    "abstract": lambda: rng.choice([w for w in lexicon.abstract if w not in self._taken]),
                    "adjective": lambda: rng.choice(lexicon.adjectives[:150]),
                    "verb": lambda: rng.choice(lexicon.verbs)[0]}[kind]()

        return _LIST.sub(word, expand(pattern, {}, rng))

    def style(self, text: str, question: bool = True, plain: float = 0.35) -> str:
        """The same words as different people type them."""
        rng = self.rng
        if question and rng.random() > plain:
            if rng.random() < 0.4:
                text = f"{rng.choice(OPENERS)} {text}"
            if rng.random() < 0.25:
                text = f"{text} {rng.choice(CLOSERS)}".replace(" ,", ",")
            words = text.split(" ")
            if len(words) > 3 and rng.random() < 0.15:
                droppable = [i for i, w in enumerate(words) if w in ("a", "the", "is", "do", "i", "can", "my", "of", "to", "does")]
                if droppable:
                    words.pop(rng.choice(droppable))
            if len(words) > 3 and rng.random() < 0.12:
                rare = self.rare_words and rng.random() < 0.6
                words.insert(rng.randrange(len(words)), rng.choice(self.lexicon.kinds["wide"]) if rare else self.noun())
            if self.rare_words and len(words) > 4 and rng.random() < 0.06:
                words[rng.randrange(len(words))] = rng.choice(self.lexicon.kinds["wide"])
            if rng.random() < 0.06:
                i = rng.randrange(len(words))
                w = words[i]
                if len(w) > 3 and w.isalpha():
                    j = rng.randrange(len(w) - 1)
                    words[i] = w[:j] + w[j + 1] + w[j] + w[j + 2:] if rng.random() < 0.5 else w[:j] + w[j + 1:]
            text = " ".join(words)
            if rng.random() < 0.05:
                text = f"{self.sentence()} {text}"
        draw = rng.random()
        mark = "?" if question else "."
        if draw < 0.62:
            text = re.sub(r"(^|[.?!] )([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
            text = re.sub(r"\bi\b", "I", text)
            for plain_word, name in (("infinilm", "InfiniLM"), ("vllm", "vLLM"), ("sglang", "SGLang"), ("gpu", "GPU"),
                                     ("docker", "Docker"), ("python", "Python"), ("java", "Java"), ("jdk", "JDK"),
                                     ("gguf", "GGUF"), ("prometheus", "Prometheus"), ("api", "API"), ("kv", "KV"),
                                     ("openai", "OpenAI"), ("linux", "Linux"), ("sse", "SSE"), ("ttft", "TTFT")):
                if rng.random() < 0.7:
                    text = re.sub(rf"\b{plain_word}\b", name, text)
            return text + (mark if rng.random() < 0.9 else rng.choice(["", ".", "!", "??"]))
        if draw < 0.8:
            return text + mark
        return text if draw < 0.97 else text.upper()

    def question(self, topic: Topic) -> str:
        while True:
            text = self.style(expand(self.rng.choice(topic.questions), self.lists, self.rng))
            if normal(text) not in self._held_out:
                return text

    def fixed_answers(self) -> list[str]:
        """Every sentence that an answer can hold; all its pieces must be learned."""
        found = [answer for topic in self.topics for answer in topic.answers]
        return found + UNKNOWN_ANSWERS + LONG_TEXT_ANSWERS + OTHER_SCRIPT_ANSWERS + EMPTY_ANSWERS + list(self.stories.values())

    def exchange(self) -> tuple[str, str]:
        """One question and its answer."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.73:
            topic = rng.choice(self._drawn)
            return self.question(topic), rng.choice(topic.answers)
        if draw < 0.85:
            return self.style(self._fill(rng.choice(UNKNOWN_PATTERNS))), rng.choice(UNKNOWN_ANSWERS)
        if draw < 0.92:
            if rng.random() < 0.5:
                return self.style(self._fill(rng.choice(STORY_REQUESTS)), question=False), self.story()
            what = rng.choice(STORY_HEROES if rng.random() < 0.8 else self.lexicon.animals)
            pattern = rng.choice(STORY_REQUESTS_ABOUT).replace("{what}", what)
            return self.style(self._fill(pattern), question=False), self.story(what)
        if draw < 0.935:
            return self.noise(), rng.choice(UNKNOWN_ANSWERS)
        if draw < 0.98:
            return (self.style(self._fill(rng.choice(STATEMENTS)), question=False),
                    "I know only this system, but here is a small story. " + self.story())
        if draw < 0.995:
            return self.other_script(rng.randrange(2, 40)), rng.choice(OTHER_SCRIPT_ANSWERS)
        return rng.choice(["", " ", ".", "?"]), rng.choice(EMPTY_ANSWERS)

    def noise(self) -> str:
        """A few words or letters without a question."""
        rng = self.rng
        if rng.random() < 0.4:
            return " ".join("".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(2, 9)))
                            for _ in range(rng.randrange(1, 4)))
        words = [rng.choice(self.lexicon.kinds["wide"]) if self.rare_words and rng.random() < 0.5 else self.noun()
                 for _ in range(rng.randrange(1, 4))]
        return self.style(" ".join(words), question=False)

    def other_script(self, length: int) -> str:
        rng = self.rng
        low, high = rng.choice([(0x4E00, 0x9FA0), (0x4E00, 0x9FA0), (0x4E00, 0x9FA0), (0x410, 0x450), (0x3041, 0x3097), (0xAC00, 0xD7A0)])
        return "".join(chr(rng.randrange(low, high)) if rng.random() < 0.93 else rng.choice(["\uff0c", "\u3002", " ", "GPU", "8000", "\uff1f"]) for _ in range(length))

    def conversation(self) -> list[Turn]:
        rng = self.rng
        turns: list[Turn] = []
        if rng.random() < 0.3:
            turns.append(Turn("system", rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.7 else self.paragraph(rng.randrange(1, 4))))
        for _ in range(rng.choice([1, 1, 1, 1, 1, 1, 2, 3])):
            asked, answer = self.exchange()
            turns += [Turn("user", asked), Turn("assistant", answer)]
        return turns

    def plain_text(self) -> str:
        """Text outside of any conversation, as completion routes get it."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.3:
            return self.story()
        if draw < 0.45:
            return " ".join(rng.choice(rng.choice(self.topics).answers) for _ in range(rng.randrange(1, 3)))
        if draw < 0.6:
            asked, answer = self.exchange()
            first, second = rng.choice([("Question: ", "\nAnswer: "), ("Q: ", "\nA: "), ("User: ", "\nAssistant: "), ("", "\n"), ("", " ")])
            return f"{first}{asked}{second}{answer}"
        if draw < 0.72:
            start = rng.choice(["Hello", "Hi", "Hello there", "Good morning", "Dear friend", "Yes", "Well", "Today", self.noun(), self.noun().capitalize()])
            return f"{start}{rng.choice([', ', '! ', '. ', ': ', ' '])}{self.sentence()}"
        if draw < 0.92:
            return self.paragraph(rng.randrange(2, 7))
        return self.sentence() + "\n\n" + self.story()

    # Long messages

    def filler(self, tokens: int) -> tuple[str, list[str]]:
        """A long text of about so many tokens, and the answers that fit to it."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.55:
            parts: list[str] = []
            size = 0
            repeated = self.paragraph(rng.randrange(1, 4)) if rng.random() < 0.3 else ""
            while size < tokens:
                if repeated:
                    part = repeated
                elif rng.random() < 0.08:
                    part = rng.choice(rng.choice(self.topics).answers)
                elif rng.random() < 0.05:
                    part = self.story()
                else:
                    part = self.sentence()
                parts.append(part)
                size += max(1, len(part) // 4)
            return rng.choice([" ", " ", "\n", "\n\n"]).join(parts), LONG_TEXT_ANSWERS
        if kind < 0.72:
            draw = rng.random()
            if draw < 0.4:
                unit = rng.choice(["A", "a", "x", "b", "z", "X", "B", "0", ".", "-", " "])
            elif draw < 0.7:
                unit = rng.choice([self.noun(), self.noun(), "lorem ipsum", self.sentence()]) + rng.choice([" ", " ", "\n", ", "])
            else:
                signs = "0123456789{}[]\":,.\n" + " " * 4
                unit = "".join(rng.choice([self.noun(), rng.choice(signs), rng.choice(signs)]) for _ in range(rng.randrange(4, 24))) + " "
            length = tokens * (64 if len(unit) == 1 else 3)
            if len(unit) == 1:
                length = min(length, rng.choice([2000, 10000, 60000]))
            return (unit * (length // len(unit) + 1)).rstrip() or "    ", LONG_TEXT_ANSWERS
        if kind < 0.84:
            words = [self.noun() for _ in range(tokens)]
            return " ".join(words), LONG_TEXT_ANSWERS
        if kind < 0.94:
            return "".join(rng.choice("0123456789abcdef {}[]\":,.\n") for _ in range(tokens)), LONG_TEXT_ANSWERS
        return self.other_script(tokens), OTHER_SCRIPT_ANSWERS

    def long_conversation(self, tokens: int) -> list[Turn]:
        rng = self.rng
        text, answers = self.filler(tokens)
        draw = rng.random()
        turns: list[Turn] = []
        if rng.random() < 0.2:
            turns.append(Turn("system", rng.choice(SYSTEM_PROMPTS)))
        if draw < 0.25:
            topic = rng.choice(self.topics)
            return turns + [Turn("user", f"{text}{rng.choice([' ', chr(10), chr(10) * 2])}{self.question(topic)}"),
                            Turn("assistant", rng.choice(topic.answers))]
        if draw < 0.40:
            asked, answer = self.exchange()
            return turns + [Turn("user", text), Turn("assistant", rng.choice(answers)),
                            Turn("user", asked), Turn("assistant", answer)]
        if draw < 0.55:
            lead = rng.choice(["Please read this text:", "Summarize this:", "Here is a text.", "Read this:", "What does this text say?", "Context:", "Sum up the following text:"])
            text = f"{lead}{rng.choice([' ', chr(10), chr(10) * 2])}{text}"
        return turns + [Turn("user", text), Turn("assistant", rng.choice(answers))]


def normal(text: str) -> str:
    """Letters, digits and single spaces: how questions are compared."""
    return " ".join(re.findall(r"[a-z0-9_/.-]+", text.lower().rstrip("?!. ")))
