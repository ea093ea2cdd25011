"""Chapter 1.1, the grammar's predicates: verbs with the objects, pronouns and adjectives they take.

Also what hangs on a noun or a clause: relative clauses, and endings of place and time.
"""

from __future__ import annotations

from dataclasses import replace

from companion.text.gnmt import lexicon
from companion.text.gnmt.clauses import (
    BE,
    FEELINGS,
    GIVING,
    HAVE,
    VERBS,
    Clause,
    Predicate,
    Verb,
    say,
)
from companion.text.gnmt.morphology import agree, english_article, participle
from companion.text.gnmt.phrases import (
    ADJECTIVES,
    NOUNS,
    OBJECTS,
    PROFESSIONS,
    Adjective,
    Choice,
    Derivation,
    Noun,
    Phrase,
    accepts,
    noun_phrase,
    stressed_pronoun,
    subject_pronoun,
    suits,
)

_OBJECT_SORTS = ("any", "person", "thing", "food", "letter", "drink", "place", "living")
# "visit" and "build" take a place as their object; these take one after "to".
_TOWARDS = ("go", "return", "come back", "come")
_DIRECT = [
    verb
    for verb in VERBS
    if verb.sort in _OBJECT_SORTS and not verb.preposition and verb.name not in _TOWARDS
]
DIRECT = Choice(_DIRECT)
_OBLIQUE = Choice([verb for verb in VERBS if verb.preposition])
_NONE = Choice([verb for verb in VERBS if verb.sort == "none"])
_PLACE = Choice([v for v in VERBS if v.sort in ("in", "enter") or v.name in _TOWARDS])
TOWARDS = Choice([v for v in VERBS if v.name in _TOWARDS])
_NOTHING = Choice([verb for verb in _DIRECT if verb.sort in ("any", "thing", "food")])
_ACTIVE = [verb for verb in _DIRECT if not verb.stative and verb.french.infinitive != "quitter"]
_GIVING = Choice(GIVING)
_TAKING = {
    noun.name: Choice([verb for verb in _DIRECT if accepts(verb.sort, noun)])
    for nouns in NOUNS.values()
    for noun in nouns
}
_DOING = {
    noun.name: Choice([verb for verb in _ACTIVE if accepts(verb.sort, noun)])
    for nouns in NOUNS.values()
    for noun in nouns
}
_PREDICATIVE = {
    nouns[0].sort: Choice([a for a in ADJECTIVES if suits(a, nouns[0])]) for nouns in NOUNS.values()
}


def _prepositions(table: str) -> list[tuple[list[str], list[str]]]:
    pairs = [line.split(" | ") for line in table.strip().splitlines()]
    return [(english.split(), french.split()) for english, french in pairs]


_AT, _ON = _prepositions(lexicon.AT), _prepositions(lexicon.ON)
_TIMES = [line.split(" | ") for line in lexicon.TIMES.strip().splitlines()]
_TENSE_CODE = {"present": "p", "past": "d", "progressive": "d", "future": "f", "near": "f"}
_TIME_CHOICES = {
    code: Choice([(en.split(), fr.split()) for en, fr, fits in _TIMES if fits in (code, "a")])
    for code in "pdf"
}


# --- predicates ---------------------------------------------------------------------------------


def _object_pronoun(d: Derivation, verb: Verb, subject: Phrase, it: bool) -> str:
    """An English object pronoun that the verb can take; empty when none is drawn."""
    if verb.sort in ("any", "living", "person"):
        words = [word for word in OBJECTS if not _same_person(OBJECTS[word][4], subject.person)]
        return d.pick(words)
    return d.pick(("it", "them")) if it else ""


def _same_person(one: int, other: int) -> bool:
    return {one, other} <= {0, 3} or one == other == 4


def direct(d: Derivation, subject: Phrase, *, negated: bool, simple: bool, it: bool) -> Predicate:
    """A verb and its direct object: a noun phrase, or a pronoun before the French verb."""
    verb = d.draw(DIRECT)
    if verb.name != "have" and d.chance(0.28):
        word = _object_pronoun(d, verb, subject, it)
        if word:
            return pronoun_object(verb, word)
    thing = noun_phrase(d, verb.sort, negated=negated, simple=simple)
    if thing.noun:
        d.combinations.add((verb.name, thing.noun.name))
        if not simple and d.rich(0.3):
            thing = with_relative(d, thing)
    return Predicate(verb, thing.english, thing.french, heavy=thing.heavy)


def pronoun_object(verb: Verb, word: str, antecedent: Phrase | None = None) -> Predicate:
    """The verb with the object pronoun ``word``; "it" and "them" agree with the antecedent."""
    if antecedent:
        article = "les" if antecedent.plural else "le" if antecedent.gender == "m" else "la"
        return Predicate(
            verb, [word], clitics=[article + "+"], agreement=(antecedent.gender, antecedent.plural)
        )
    if word == "it":
        return Predicate(verb, ["it"], clitics=["le+"], agreement=("m", False))
    french, _, _, gender, person = OBJECTS[word]
    clitic = french + "+" if french in ("le", "la", "les") else french
    return Predicate(verb, [word], clitics=[clitic], agreement=(gender, person in (3, 5)))


def oblique(d: Derivation, subject: Phrase) -> Predicate:
    """A verb whose French object follows à or de: "obey", "obéir à"; "need", "avoir besoin de"."""
    verb = d.draw(_OBLIQUE)
    if d.chance(0.3):
        words = [word for word in OBJECTS if not _same_person(OBJECTS[word][4], subject.person)]
        word = d.pick(words)
        _, indirect, stressed, _, _ = OBJECTS[word]
        if verb.preposition == "à":
            return Predicate(verb, [word], clitics=[indirect])
        return Predicate(verb, [word], ["de", stressed])
    thing = noun_phrase(d, verb.sort, simple=True)
    return Predicate(verb, thing.english, [verb.preposition, *thing.french])


def placed(d: Derivation, choice: Choice = _PLACE) -> Predicate:
    """A verb with its own place: going towards, entering or living in it."""
    verb = d.draw(choice)
    kind = d.pick(("definite", "definite", "definite", "possessive", "demonstrative"))
    if verb.sort == "in":
        english, french = d.pick(_AT)
        place = noun_phrase(d, "place", fixed=kind, simple=True)
        return Predicate(verb, [*english, *place.english], [*french, *place.french], frozen=True)
    place = noun_phrase(d, "place", fixed=kind, simple=True)
    if verb.sort == "enter":
        return Predicate(verb, place.english, ["dans", *place.french], frozen=True)
    return Predicate(verb, ["to", *place.english], ["à", *place.french], frozen=True)


def giving(
    d: Derivation, subject: Phrase, *, negated: bool, antecedent: Phrase | None, it: bool
) -> Predicate:
    """Something given to somebody, either or both of them pronouns in French order."""
    verb = d.draw(_GIVING)
    clitics: list[str] = []
    agreement = None
    thing_english = thing_french = ()
    if antecedent or (it and d.chance(0.4)):
        word = "them" if antecedent and antecedent.plural else "it"
        thing = pronoun_object(verb, word, antecedent)
        thing_english, clitics, agreement = thing.english, thing.clitics, thing.agreement
    else:
        phrase = noun_phrase(d, "thing", negated=negated, simple=True)
        d.combinations.add((verb.name, phrase.noun.name))
        thing_english, thing_french = phrase.english, phrase.french
    pronoun_thing = not thing_french
    if d.chance(0.5):
        word = d.pick([w for w in OBJECTS if not _same_person(OBJECTS[w][4], subject.person)])
        indirect = OBJECTS[word][1]
        # me, nous, vous stand before le, la, les, which stand before lui, leur.
        late = indirect in ("lui", "leur")
        clitics = [*clitics, indirect] if late else [indirect, *clitics]
        double = verb.sort == "double" and not pronoun_thing
        english = [word, *thing_english] if double else [*thing_english, "to", word]
        return Predicate(verb, english, list(thing_french), clitics, agreement)
    person = noun_phrase(d, "person", simple=True)
    english = [*thing_english, "to", *person.english]
    if verb.sort == "double" and not pronoun_thing and d.chance(0.5):
        english = [*person.english, *thing_english]
    return Predicate(verb, english, [*thing_french, "à", *person.french], clitics, agreement)


def taking(d: Derivation, noun: Noun) -> Verb:
    """A verb that takes the noun as its direct object; notes the combination."""
    verb = d.draw(_TAKING[noun.name])
    d.combinations.add((verb.name, noun.name))
    return verb


def plain(d: Derivation) -> Predicate:
    """A verb without an object: "sleeps", "gets up"."""
    return Predicate(d.draw(_NONE))


def nothing(d: Derivation) -> Predicate:
    """A verb whose object is "nothing", which `say` puts in its place."""
    return Predicate(d.draw(_NOTHING))


def _adjective_for(d: Derivation, subject: Phrase) -> Adjective:
    adjective = d.draw(_PREDICATIVE[subject.noun.sort if subject.noun else "person"])
    if subject.noun:
        d.combinations.add((adjective.name, subject.noun.name))
    return adjective


def described(d: Derivation, subject: Phrase, *, simple: bool = False) -> Predicate:
    """ "be" and an adjective, a comparison, a feeling, a profession or a place."""
    person = subject.noun is None or subject.noun.sort == "person"
    living = person or subject.noun.sort == "animal"
    kind = d.dice.uniform()
    if living and kind < 0.2:
        english, french = d.pick(tuple(FEELINGS.items()))
        return Predicate(replace(BE_HAVING, complement=french), [english], be=True)
    if (person and subject.gender == "m" and kind < 0.3) or (
        subject.french == ["elle"] and kind < 0.3
    ):
        return _profession(d, subject)
    if kind < 0.42 and not simple:
        return _comparison(d, subject, living)
    if kind < 0.55 and subject.noun and subject.noun.sort == "thing":
        english, french = d.pick(_ON)
        where = noun_phrase(d, "thing", fixed="definite", simple=True)
        return Predicate(
            BE, [*english, *where.english], [*french, *where.french], frozen=True, be=True
        )
    adjective = _adjective_for(d, subject)
    form = agree(adjective.french, subject.gender, subject.plural)
    return Predicate(BE, [adjective.name], form.split(), be=True)


# "be hungry" is English "be" and French "avoir".
BE_HAVING = replace(BE, french=HAVE.french)


def _profession(d: Derivation, subject: Phrase) -> Predicate:
    english, french = d.pick(PROFESSIONS)
    if subject.plural:
        return Predicate(BE, [english + "s"], [french + "s"], be=True)
    return Predicate(BE, [english_article(english), english], [french], be=True)


def _comparison(d: Derivation, subject: Phrase, living: bool) -> Predicate:
    adjective = _adjective_for(d, subject)
    form = agree(adjective.french, subject.gender, subject.plural).split()
    if adjective.name == "good":
        form = [agree(("meilleur",), subject.gender, subject.plural)]
    else:
        form = ["plus", *form]
    if living and d.chance(0.3):
        other = stressed_pronoun(d)
    else:
        sort = subject.noun.sort if subject.noun else "person"
        other = noun_phrase(d, sort, fixed=d.pick(("definite", "possessive")), simple=True)
    words = [adjective.comparative] if adjective.comparative else ["more", adjective.name]
    return Predicate(
        BE, [*words, "than", *other.english], [*form, "que", *other.french], be=True, frozen=True
    )


def passive(d: Derivation, noun: Noun, subject: Phrase) -> Predicate:
    """ "was built by the king", "a été construite par le roi"."""
    verb = d.draw(_DOING[noun.name])
    d.combinations.add((verb.name, noun.name))
    form = participle(verb.french, subject.gender, subject.plural)
    agent = noun_phrase(d, "person", simple=True)
    english = [verb.english.participle, "by", *agent.english]
    return Predicate(PASSIVE, english, [form, "par", *agent.french], be=True)


PASSIVE = replace(BE, stative=False)


# --- relative clauses, place and time -----------------------------------------------------------


def with_relative(d: Derivation, phrase: Phrase) -> Phrase:
    """The noun phrase with a relative clause: who, that, whose or where."""
    noun = phrase.noun
    kind = d.dice.uniform()
    if noun.sort == "place" and kind < 0.3:
        clause = _inner(d, subject_pronoun(d), plain(d))
        words = ["where"], ["où"]
    elif noun.sort in ("person", "animal") and kind < 0.12:
        clause, words = _whose(d), (["whose"], ["dont"])
    elif noun.sort in ("person", "animal") and kind < 0.6:
        clause = _subject_relative(d, phrase)
        words = ["who" if noun.sort == "person" else "that"], ["qui"]
    else:
        clause = _object_relative(d, phrase)
        words = ["that"], ["que"]
    return replace(
        phrase,
        english=[*phrase.english, *words[0], *clause.english],
        french=[*phrase.french, *words[1], *clause.french],
        heavy=True,
    )


def _inner(d: Derivation, subject: Phrase, predicate: Predicate) -> Clause:
    tense = d.pick(("present", "past", "past", "future", "progressive"))
    tense = "past" if tense == "progressive" and predicate.verb.stative else tense
    frequency = d.pick(FREQUENCIES) if d.chance(0.08) else None
    return say(subject, predicate, tense, frequency=frequency)


FREQUENCIES = [entry.split() for entry in lexicon.FREQUENCY.split(", ")]


def _subject_relative(d: Derivation, phrase: Phrase) -> Clause:
    subject = Phrase([], [], phrase.gender, phrase.person, phrase.noun)
    kind = d.dice.uniform()
    if kind < 0.5:
        predicate = direct(d, subject, negated=False, simple=not d.rich(0.2), it=False)
    elif kind < 0.65:
        predicate = placed(d)
    elif kind < 0.75:
        predicate = oblique(d, subject)
    elif kind < 0.9:
        predicate = plain(d)
    else:
        predicate = described(d, subject, simple=True)
    return _inner(d, subject, predicate)


def _object_relative(d: Derivation, phrase: Phrase) -> Clause:
    verb = taking(d, phrase.noun)
    subject = subject_pronoun(d) if d.chance(0.6) else noun_phrase(d, "subject", simple=True)
    return _inner(d, subject, Predicate(verb, agreement=(phrase.gender, phrase.plural)))


def _whose(d: Derivation) -> Clause:
    owned = noun_phrase(d, d.pick(("thing", "place", "person")), fixed="definite", simple=True)
    bare = replace(owned, english=owned.english[1:])
    return _inner(d, bare, described(d, bare, simple=True))


def ending(
    d: Derivation, tense: str, predicate: Predicate, *, time: bool = True
) -> tuple[list[str], list[str]]:
    """Place, then time in English; time, then place in French; both empty after a heavy object."""
    if predicate.heavy:
        return [], []
    place: tuple[list[str], list[str]] = ([], [])
    if not predicate.frozen and d.chance(0.1 + 0.25 * d.richness):
        place = _place(d)
    when: tuple[list[str], list[str]] = ([], [])
    if time and d.chance(0.06 + 0.2 * d.richness):
        when = time_phrase(d, tense)
    return [*place[0], *when[0]], [*when[1], *place[1]]


def time_phrase(d: Derivation, tense: str) -> tuple[list[str], list[str]]:
    """An adjunct of time that suits the tense."""
    return d.draw(_TIME_CHOICES[_TENSE_CODE[tense]])


def _place(d: Derivation) -> tuple[list[str], list[str]]:
    if d.chance(0.3):
        word, preposition = d.pick((("with", "avec"), ("without", "sans"), ("for", "pour")))
        if d.chance(0.4):
            other = stressed_pronoun(d)
        else:
            kind = d.pick(("definite", "possessive", "possessive", "indefinite"))
            other = noun_phrase(d, "living", fixed=kind, simple=True)
        return [word, *other.english], [preposition, *other.french]
    english, french = d.pick(_ON if d.chance(0.2) else _AT)
    sort = "thing" if english in (["on"], ["under"]) else "place"
    kind = d.pick(("definite", "definite", "definite", "possessive", "demonstrative", "indefinite"))
    where = noun_phrase(d, sort, fixed=kind, simple=True)
    return [*english, *where.english], [*french, *where.french]
