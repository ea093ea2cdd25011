"""Chapter 1.1, the grammar itself: whole sentences, English and French from one derivation.

`derive` draws one pair. What the grammar keeps to, so that each English sentence has one
translation: "you" is "vous", one man; "they" and "them" are masculine; a man speaks; "it" is the
thing named before in the sentence, and "le" when a sentence of one clause names none; the simple
past is the passé composé, except for states ("knew", "was"), which take the imparfait, as
"was singing" does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from companion.text.gnmt.clauses import (
    BE,
    CAN,
    FREQUENCY,
    HAVE,
    IF,
    INFINITIVE,
    MANNER,
    MUST,
    THAT,
    VERBS,
    WANT,
    WEATHER,
    Chain,
    Clause,
    Predicate,
    Verb,
    english_group,
    french_group,
    infinitive,
    say,
)
from companion.text.gnmt.morphology import join_french
from companion.text.gnmt.phrases import (
    ADJECTIVES,
    NAMES,
    NOUNS,
    Choice,
    Derivation,
    Dice,
    Phrase,
    noun_phrase,
    pick_noun,
    subject_pronoun,
)
from companion.text.gnmt.predicates import (
    TOWARDS,
    described,
    direct,
    ending,
    giving,
    nothing,
    oblique,
    passive,
    placed,
    plain,
    pronoun_object,
    taking,
    time_phrase,
    with_relative,
)

# Most sentences are short, and some are long: of how `Derivation` makes them richer.
PLAIN, RICH, SHARE_OF_RICH = 0.05, 2.0, 1 / 14

_TENSES = (
    *("present",) * 6,
    *("past",) * 6,
    *("progressive",) * 2,
    *("future",) * 3,
    *("near",) * 2,
)
_NEGATIONS = (*("not",) * 7, *("never",) * 2, "no longer", "nothing")
_MANNER = Choice(MANNER)
_FREQUENCY = Choice(FREQUENCY)
_THAT = Choice(THAT)
_INFINITIVE = Choice([Chain(verb, verb.sort.rstrip("-")) for verb in INFINITIVE])
_NOBODY = Phrase(["nobody"], ["personne"], "m", 2)


@dataclass(frozen=True)
class Pair:
    """One sentence in both languages, with the rare words and the combinations it contains.

    A combination is an adjective with the noun it describes, or a verb with the noun that is its
    direct object, by their English base forms.
    """

    english: str
    french: str
    rare: frozenset[str]
    combinations: frozenset[tuple[str, str]]


def derive(dice: Dice) -> Pair:
    """Draw one pair of sentences."""
    d = Derivation(dice, richness=RICH if dice.uniform() < SHARE_OF_RICH else PLAIN)
    english, french, mark = _sentence(d)
    return Pair(
        " ".join([*english, mark]),
        f"{join_french(french)} {mark}",
        frozenset(d.rare),
        frozenset(d.combinations),
    )


def _sentence(d: Derivation) -> tuple[list[str], list[str], str]:
    kind = d.dice.uniform()
    if kind < 0.12:
        return *_question(d), "?"
    complexity = 0.05 + 0.5 * d.richness
    if d.chance(complexity):
        return *d.pick(_COMPLEX)(d), "."
    if kind < 0.17:
        return *_there(d), "."
    if kind < 0.18:
        return *_weather(d), "."
    clause = _fronted(d) if d.chance(0.06 + 0.06 * d.richness) else _clause(d, it=True)
    return clause.english, clause.french, "."


# --- one clause ---------------------------------------------------------------------------------


def _tense(d: Derivation, tenses: tuple[str, ...]) -> str:
    return d.pick(tenses)


def _subject(d: Derivation, *, simple: bool = False) -> Phrase:
    """Somebody who does something."""
    if d.chance(0.5 - 0.15 * d.richness):
        return subject_pronoun(d)
    subject = noun_phrase(d, "subject", simple=simple)
    if subject.noun and not simple and d.rich(0.25):
        return with_relative(d, subject)
    return subject


def _topic(d: Derivation, *, simple: bool = False) -> Phrase:
    """What is described: a person, an animal or a thing."""
    if d.chance(0.35):
        return subject_pronoun(d)
    topic = noun_phrase(d, "topic", simple=simple)
    if topic.noun and not simple and d.rich(0.2):
        return with_relative(d, topic)
    return topic


def _predicate(d: Derivation, subject: Phrase, *, negated: bool, simple: bool, it: bool):
    kind = d.dice.uniform()
    if kind < 0.5:
        return direct(d, subject, negated=negated, simple=simple, it=it)
    if kind < 0.62:
        return giving(d, subject, negated=negated, antecedent=None, it=it)
    if kind < 0.74:
        return oblique(d, subject)
    return placed(d) if kind < 0.84 else plain(d)


def _clause(
    d: Derivation,
    *,
    tenses: tuple[str, ...] = _TENSES,
    subject: Phrase | None = None,
    question: bool = False,
    simple: bool = False,
    negatable: bool = True,
    it: bool = False,
    time: bool = True,
) -> Clause:
    """A clause of any kind; ``it``: the pronoun "it" may stand without anything it refers to."""
    tense = _tense(d, tenses)
    kind = d.dice.uniform()
    if kind < 0.18:
        subject = subject or _topic(d, simple=simple)
        return _description(d, subject, tense, question, negatable, simple, time)
    if kind < 0.23 and subject is None:
        return _passive(d, tense, question, negatable, time)
    if kind < 0.36:
        return _chained(d, subject or _subject(d, simple=simple), question, negatable, simple, it)
    if kind < 0.39 and negatable and not question and subject is None:
        predicate = _predicate(d, _NOBODY, negated=False, simple=True, it=it)
        return say(_NOBODY, predicate, _settle(tense, predicate.verb), negation="nobody")
    subject = subject or _subject(d, simple=simple)
    negation = d.pick(_NEGATIONS) if negatable and d.chance(0.25) else ""
    negation = "not" if negation and question else negation
    if negation == "nothing":
        predicate = nothing(d)
    else:
        predicate = _predicate(d, subject, negated=bool(negation), simple=simple, it=it)
    tense = _settle(tense, predicate.verb)
    frequency = manner = None
    if not negation and tense != "near" and d.chance(0.12):
        frequency = d.draw(_FREQUENCY)
    elif not negation and not predicate.heavy and not predicate.verb.stative and d.chance(0.12):
        manner = _manner(d, before_infinitive=tense == "near")
    return say(
        subject,
        predicate,
        tense,
        negation=negation,
        frequency=frequency,
        manner=manner,
        question=question,
        ending=ending(d, tense, predicate, time=time),
    )


def _settle(tense: str, verb: Verb) -> str:
    """States have no progressive."""
    return "past" if tense == "progressive" and verb.stative else tense


def _manner(d: Derivation, *, before_infinitive: bool) -> list[str]:
    """An adverb of manner; "bien" and "mal" would have to stand before an infinitive."""
    while True:
        manner = d.draw(_MANNER)
        if not (before_infinitive and manner[1] in ("bien", "mal")):
            return manner


def _description(
    d: Derivation,
    subject: Phrase,
    tense: str,
    question: bool,
    negatable: bool,
    simple: bool,
    time: bool,
) -> Clause:
    predicate = described(d, subject, simple=simple)
    tense = _settle(tense, predicate.verb)
    negation = ""
    if negatable and d.chance(0.2):
        negation = "not" if question else d.pick(("not", "not", "not", "never", "no longer"))
    frequency = None
    if not negation and tense != "near" and d.chance(0.1):
        frequency = d.draw(_FREQUENCY)
    # After an adjective a place would qualify it; only a time may follow.
    closed = replace(predicate, frozen=True)
    return say(
        subject,
        predicate,
        tense,
        negation=negation,
        frequency=frequency,
        question=question,
        ending=ending(d, tense, closed, time=time),
    )


def _passive(d: Derivation, tense: str, question: bool, negatable: bool, time: bool) -> Clause:
    noun = pick_noun(d, d.pick(("thing", "thing", "place", "person")))
    subject = noun_phrase(d, noun.sort, noun=noun)
    predicate = passive(d, noun, subject)
    tense = "past" if tense in ("progressive", "near") else tense
    return say(
        subject,
        predicate,
        tense,
        negation="not" if negatable and d.chance(0.15) else "",
        question=question,
        ending=ending(d, tense, predicate, time=time),
    )


def _chained(
    d: Derivation, subject: Phrase, question: bool, negatable: bool, simple: bool, it: bool
) -> Clause:
    """A verb before an infinitive: can, must, want to, try to, …"""
    kind = d.dice.uniform()
    if kind < 0.6:
        verb = d.pick((CAN, CAN, MUST, WANT, WANT))
        chain = Chain(verb)
        tense = "present" if verb is MUST else d.pick(("present", "present", "past"))
    else:
        chain = d.draw(_INFINITIVE)
        tense = d.pick(("present", "past", "past", "future"))
    negation = "not" if negatable and d.chance(0.2) else ""
    # "je ne veux pas voir de maison", but "je n'essaie pas de voir une maison".
    negated = bool(negation) and kind < 0.6
    predicate = _predicate(d, subject, negated=negated, simple=simple, it=it)
    return say(
        subject,
        predicate,
        tense,
        negation=negation,
        manner=_manner(d, before_infinitive=True)
        if not predicate.heavy and not negation and d.chance(0.08)
        else None,
        chain=chain,
        question=question,
        ending=ending(d, tense, predicate, time=False),
    )


def _fronted(d: Derivation) -> Clause:
    """ "yesterday , i saw the house": time first in both languages."""
    tense = _tense(d, _TENSES)
    english, french = time_phrase(d, tense)
    clause = _clause(d, tenses=(tense,), it=True, time=False)
    return Clause([*english, ",", *clause.english], [*french, ",", *clause.french])


def _there(d: Derivation) -> tuple[list[str], list[str]]:
    """ "there is a cat", "il y a un chat"; "there isn't a cat", "il n'y a pas de chat"."""
    tense = d.pick(("present", "present", "past", "future"))
    negation = d.chance(0.25)
    sort = d.pick(("person", "animal", "thing", "thing", "food"))
    kind = "indefinite" if negation else d.pick(("indefinite", "indefinite", "quantity"))
    what = noun_phrase(d, sort, fixed=kind, negated=negation, simple=True)
    if what.noun and not negation and d.rich(0.3):
        what = with_relative(d, what)
    _, group = english_group(BE, True, what.person, tense, negation, [], False)
    if tense == "future":
        group = ["won't" if negation else "will", "be"]
    predicate = Predicate(HAVE, what.english, what.french, ["y+"], heavy=what.heavy)
    it = Phrase(["there"], ["il"], "m", 2)
    words = french_group(predicate, it, tense, negation, ["pas"] if negation else [], [], None)
    place = ending(d, tense, predicate)
    return (
        ["there", *group, *what.english, *place[0]],
        ["il", *words, *what.french, *place[1]],
    )


def _weather(d: Derivation) -> tuple[list[str], list[str]]:
    tense = d.pick(("present", "past", "progressive", "future", "near"))
    predicate = Predicate(d.pick(WEATHER))
    it = Phrase(["it"], ["il"], "m", 2)
    clause = say(it, predicate, tense, ending=ending(d, tense, predicate))
    return clause.english, clause.french


# --- questions ----------------------------------------------------------------------------------

_ASKED = (("where", "où"), ("when", "quand"), ("why", "pourquoi"), ("how", "comment"))


def _question(d: Derivation) -> tuple[list[str], list[str]]:
    """A question with "est-ce que", or with "qui" as its subject."""
    kind = d.dice.uniform()
    if kind < 0.45:
        clause = _clause(d, question=True, it=True)
        return clause.english, ["est-ce", "que", *clause.french]
    if kind < 0.65:
        english, french = d.pick(_ASKED)
        clause = _clause(d, question=True, negatable=english == "why", it=True)
        return [english, *clause.english], [french, "est-ce", "que", *clause.french]
    if kind < 0.8:
        who = Phrase(["who"], ["qui"], "m", 2)
        clause = _clause(d, subject=who, negatable=False, it=True)
        return clause.english, clause.french
    return _asked_object(d, whole=kind < 0.9)


def _asked_object(d: Derivation, *, whole: bool) -> tuple[list[str], list[str]]:
    """ "what do you see", or "which house do you see", with which the participle agrees."""
    subject = _subject(d, simple=True)
    tense = _tense(d, _TENSES)
    if whole:
        verb = nothing(d).verb
        asked = ["what"], ["que"]
        agreement = None
    else:
        noun = pick_noun(d, d.pick(("person", "thing", "place", "animal")))
        verb = taking(d, noun)
        plural = d.chance(0.3)
        form = ("quels" if plural else "quel") if noun.gender == "m" else "quelle" + "s" * plural
        asked = ["which", noun.english[plural]], [form, noun.french[plural]]
        agreement = (noun.gender, plural)
    predicate = Predicate(verb, agreement=agreement)
    clause = say(subject, predicate, _settle(tense, verb), question=True)
    return [*asked[0], *clause.english], [*asked[1], "est-ce", "que", *clause.french]


# --- several clauses ----------------------------------------------------------------------------


def _reported(d: Derivation) -> tuple[list[str], list[str]]:
    """ "he says that …", "il dit que …"."""
    subject = _subject(d, simple=not d.rich(0.3))
    main = say(subject, Predicate(d.draw(_THAT)), d.pick(("present", "present", "past")))
    inner = _clause(d)
    if d.rich(0.25):
        more = _clause(d, simple=True)
        inner.english += ["and", "that", *more.english]
        inner.french += ["et", "que", *more.french]
    return [*main.english, "that", *inner.english], [*main.french, "que", *inner.french]


def _wondered(d: Derivation) -> tuple[list[str], list[str]]:
    """ "i don't know if …", "i wonder if …"."""
    subject = _subject(d, simple=True)
    know = next(verb for verb in THAT if verb.name == "know")
    verb = d.pick((know, *IF))
    negation = "not" if verb is know else ""
    main = say(subject, Predicate(verb), d.pick(("present", "past")), negation=negation)
    inner = _clause(d)
    return [*main.english, "if", *inner.english], [*main.french, "si", *inner.french]


def _because(d: Derivation) -> tuple[list[str], list[str]]:
    main, reason = _clause(d), _clause(d)
    return (
        [*main.english, "because", *reason.english],
        [*main.french, "parce", "que", *reason.french],
    )


def _when(d: Derivation) -> tuple[list[str], list[str]]:
    """ "while" with the imparfait, "when" with the passé composé; before or after the main."""
    english, french, tense = d.pick(
        (("while", "pendant que", "progressive"), ("when", "quand", "past"))
    )
    side = _clause(d, tenses=(tense,), negatable=False, simple=not d.rich(0.5), time=False)
    main = _clause(d, tenses=("past",))
    side_english, side_french = [english, *side.english], [*french.split(), *side.french]
    if d.chance(0.5):
        return [*side_english, ",", *main.english], [*side_french, ",", *main.french]
    return [*main.english, *side_english], [*main.french, *side_french]


def _condition(d: Derivation) -> tuple[list[str], list[str]]:
    """ "if he comes , i will see him": present, then future."""
    side = _clause(d, tenses=("present",), simple=not d.rich(0.5))
    main = _clause(d, tenses=("future",))
    return ["if", *side.english, ",", *main.english], ["si", *side.french, ",", *main.french]


def _joined(d: Derivation) -> tuple[list[str], list[str]]:
    first, second = _clause(d), _clause(d)
    english, french = d.pick((("and", "et"), ("but", "mais")))
    return [*first.english, english, *second.english], [*first.french, french, *second.french]


def _referring(d: Derivation) -> tuple[list[str], list[str]]:
    """ "he opens the box and gives it to her": the pronoun agrees with the thing named before."""
    subject = _subject(d)
    tense = _tense(d, ("present", "past", "past", "future"))
    noun = pick_noun(d, "thing")
    verb = taking(d, noun)
    thing = noun_phrase(d, "thing", noun=noun, simple=True)
    first = say(subject, Predicate(verb, thing.english, thing.french), tense)
    again = Phrase([], [], subject.gender, subject.person)
    conjunction = d.pick((("and", "et"), ("and", "et"), ("but", "mais")))
    if d.chance(0.5):
        predicate = giving(d, subject, negated=False, antecedent=thing, it=False)
    else:
        word = "them" if thing.plural else "it"
        predicate = pronoun_object(taking(d, noun), word, thing)
    negation = "not" if conjunction[0] == "but" else ""
    second = say(again, predicate, tense, negation=negation, ending=ending(d, tense, predicate))
    return (
        [*first.english, conjunction[0], *second.english],
        [*first.french, conjunction[1], *second.french],
    )


def _purpose(d: Derivation) -> tuple[list[str], list[str]]:
    """ "he goes to the market to buy bread", "… pour acheter du pain"."""
    subject = _subject(d)
    main = say(subject, placed(d, TOWARDS), _tense(d, _TENSES))
    predicate = _predicate(d, subject, negated=False, simple=not d.rich(0.5), it=False)
    english, french = infinitive(predicate, subject)
    return [*main.english, "to", *english], [*main.french, "pour", *french]


_COMPLEX = (
    _reported,
    _reported,
    _reported,
    _wondered,
    _because,
    _because,
    _when,
    _when,
    _condition,
    _joined,
    _joined,
    _referring,
    _referring,
    _referring,
    _purpose,
)


# --- what others need to know of it -------------------------------------------------------------


def word_list() -> dict[str, list[str]]:
    """English words by category, for a page that helps its reader to type a sentence."""
    verbs = [*VERBS, *THAT, *INFINITIVE, CAN, MUST, WANT]
    return {
        "people": [word for noun in NOUNS["person"] for word in noun.english],
        "animals": [word for noun in NOUNS["animal"] for word in noun.english],
        "things": [word for noun in NOUNS["thing"] for word in noun.english],
        "places": [word for noun in NOUNS["place"] for word in noun.english],
        "food": [noun.name for noun in NOUNS["food"]],
        "names": [english for english, _ in NAMES],
        "adjectives": [adjective.name for adjective in ADJECTIVES],
        "verbs": sorted({verb.name for verb in verbs}),
    }
