"""Chapter 1.1, the grammar's noun phrases: both languages built together, from one set of choices.

A `Phrase` holds the English words and the French words before they are joined, with the features
that verbs and pronouns agree with. A `Derivation` makes the random choices of one sentence and
notes which words and which combinations it used, so that splits can hold some of them out.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from companion.text.gnmt import lexicon
from companion.text.gnmt.morphology import (
    agree,
    english_article,
    english_plural,
    french_plural,
    starts_with_vowel,
)

RARE_WEIGHT = 0.0011  # of one rare word, against its kind's others together


@dataclass(frozen=True)
class Noun:
    """English and French singular and plural, with the French gender."""

    name: str
    english: tuple[str, str]
    french: tuple[str, str]
    gender: str
    sort: str
    rare: bool


@dataclass(frozen=True)
class Adjective:
    """French forms as `agree` takes them; `sort` says which nouns it goes with."""

    name: str
    comparative: str
    french: tuple[str, ...]
    sort: str
    before: bool
    rare: bool


def rows(table: str) -> list[tuple[list[str], bool]]:
    """The comma-separated entries of a table, each as its columns and whether it is rare."""
    common, _, rare = table.partition("RARE")
    return [
        (entry.split(), part is rare)
        for part in (common, rare)
        for entry in part.split(",")
        if entry.strip()
    ]


class Choice:
    """A set of entries drawn by a Zipf-Mandelbrot law, rare ones far below it.

    Weights are 1 / (rank + 3)^1.7: steep, so that some minutes of training meet most words often.
    """

    def __init__(self, entries: list) -> None:
        common = [(rank + 3) ** -1.7 for rank, entry in enumerate(entries) if not _is_rare(entry)]
        rare = [sum(common) * RARE_WEIGHT for entry in entries if _is_rare(entry)]
        self.entries = entries
        self._cumulative = list(accumulate(common + rare))

    def draw(self, uniform: float) -> object:
        """The entry at a uniform number in [0, 1)."""
        return self.entries[bisect(self._cumulative, uniform * self._cumulative[-1])]


def _is_rare(entry: object) -> bool:
    return getattr(entry, "rare", False)


def _nouns(table: str, sort: str) -> list[Noun]:
    nouns = []
    for (english, french, gender), rare in rows(table):
        singular, *plural = english.split("/")
        french_singular, *french_plurals = french.split("/")
        nouns.append(
            Noun(
                singular,
                (singular, plural[0] if plural else english_plural(singular)),
                (
                    french_singular,
                    french_plurals[0] if french_plurals else french_plural(french_singular),
                ),
                gender,
                sort,
                rare,
            )
        )
    return nouns


def _adjectives(table: str, before: bool) -> list[Adjective]:
    adjectives = []
    for (english, french, sort), rare in rows(table):
        name, *comparative = english.split("/")
        forms = tuple(form.replace("_", " ") for form in french.split("/"))
        compared = comparative[0] if comparative else ""
        adjectives.append(Adjective(name, compared, forms, sort, before, rare))
    return adjectives


NOUNS = {
    "person": _nouns(lexicon.PERSONS, "person"),
    "animal": _nouns(lexicon.ANIMALS, "animal"),
    "thing": _nouns(lexicon.THINGS, "thing"),
    "place": _nouns(lexicon.PLACES, "place"),
    "food": _nouns(lexicon.FOODS, "food"),
}
NAMES = [columns for columns, _ in rows(lexicon.NAMES)]
ADJECTIVES = _adjectives(lexicon.BEFORE, True) + _adjectives(lexicon.AFTER, False)
PROFESSIONS = [columns for columns, _ in rows(lexicon.PROFESSIONS)]

# What a verb's sort of object may be, with the odds of each sort of noun.
_SORTS = {
    "any": ("person", "person", "thing", "thing", "animal", "place"),
    "living": ("person", "person", "animal"),
    "subject": ("person", "person", "person", "person", "animal"),
    "topic": ("person", "person", "animal", "thing", "place"),
}
_FEW = {
    "letter": ("letter", "book", "newspaper"),
    "drink": ("water", "milk", "wine", "coffee"),
}


def suits(adjective: Adjective, noun: Noun) -> bool:
    """Whether the adjective may qualify the noun."""
    if adjective.sort == "any":
        return noun.sort != "food" or adjective.name == "good"
    if adjective.sort == "living":
        return noun.sort in ("person", "animal")
    if adjective.sort == "other":  # colours: of anything but people
        return noun.sort in ("animal", "thing", "place")
    if adjective.sort == "thing":
        return noun.sort in ("thing", "place")
    return adjective.sort == noun.sort


def accepts(sort: str, noun: Noun) -> bool:
    """Whether a verb whose objects are of this sort takes the noun."""
    if sort in _FEW:
        return noun.name in _FEW[sort]
    return noun.sort in _SORTS.get(sort, (sort,))


_NOUN_CHOICES = {
    **{sort: Choice(nouns) for sort, nouns in NOUNS.items()},
    **{
        sort: Choice([noun for nouns in NOUNS.values() for noun in nouns if noun.name in names])
        for sort, names in _FEW.items()
    },
}
_ADJECTIVE_CHOICES = {
    (noun.sort, before): Choice([a for a in ADJECTIVES if a.before == before and suits(a, noun)])
    for nouns in NOUNS.values()
    for noun in nouns[:1]
    for before in (True, False)
}
_NAME_CHOICE = Choice(NAMES)


class Dice:
    """A stream of uniform numbers, drawn from the generator in large blocks."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._block: list[float] = []

    def uniform(self) -> float:
        """The next number in [0, 1)."""
        if not self._block:
            self._block = self._generator.random(65536).tolist()
        return self._block.pop()


@dataclass
class Derivation:
    """The choices behind one sentence: `richness`, 0 or more, makes it longer."""

    dice: Dice
    richness: float
    rare: set[str] = field(default_factory=set)
    combinations: set[tuple[str, str]] = field(default_factory=set)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.dice.uniform() < probability

    def rich(self, probability: float) -> bool:
        """True with this probability times the sentence's richness."""
        return self.dice.uniform() < probability * self.richness

    def pick(self, entries: tuple | list) -> object:
        """One of the entries, all alike."""
        return entries[int(self.dice.uniform() * len(entries))]

    def draw(self, choice: Choice) -> object:
        """One of the entries by the law of `Choice`; rare ones are noted."""
        entry = choice.draw(self.dice.uniform())
        if _is_rare(entry):
            self.rare.add(entry.name)
        return entry


@dataclass
class Phrase:
    """A noun phrase or pronoun: words of both languages and what agrees with it."""

    english: list[str]
    french: list[str]
    gender: str
    person: int  # as morphology numbers them
    noun: Noun | None = None
    heavy: bool = False  # ends in a clause: nothing of the outer clause may follow

    @property
    def plural(self) -> bool:
        """ "vous" is one person here, so only "nous" and "ils" are plural."""
        return self.person in (3, 5)


SUBJECTS = {
    "i": ("je", "m", 0),
    "he": ("il", "m", 2),
    "she": ("elle", "f", 2),
    "we": ("nous", "m", 3),
    "you": ("vous", "m", 4),
    "they": ("ils", "m", 5),
}
# direct object, indirect object, after a preposition, gender, person
OBJECTS = {
    "me": ("me", "me", "moi", "m", 0),
    "him": ("le", "lui", "lui", "m", 2),
    "her": ("la", "lui", "elle", "f", 2),
    "us": ("nous", "nous", "nous", "m", 3),
    "you": ("vous", "vous", "vous", "m", 4),
    "them": ("les", "leur", "eux", "m", 5),
}
_POSSESSIVES = {
    "my": ("mon", "ma", "mes"),
    "his": ("son", "sa", "ses"),
    "our": ("notre", "notre", "nos"),
    "your": ("votre", "votre", "vos"),
    "their": ("leur", "leur", "leurs"),
    "her": ("son", "sa", "ses"),
}
_NUMBERS = (
    ("two", "deux"),
    ("three", "trois"),
    ("four", "quatre"),
    ("five", "cinq"),
    ("ten", "dix"),
    ("six", "six"),
    ("twelve", "douze"),
)
_BEFORE_VOWEL = {
    "ma": "mon",
    "sa": "son",
    "ce": "cet",
    "beau": "bel",
    "nouveau": "nouvel",
    "vieux": "vieil",
}


def subject_pronoun(d: Derivation) -> Phrase:
    """One of the six subject pronouns; "they" is always "ils", "you" one man addressed as vous."""
    word = d.pick(("i", "he", "she", "we", "you", "they", "he", "she", "i"))
    french, gender, person = SUBJECTS[word]
    return Phrase([word], [french], gender, person)


def stressed_pronoun(d: Derivation) -> Phrase:
    """A pronoun as it stands after a preposition: "for her", "pour elle"."""
    word = d.pick(tuple(OBJECTS))
    _, _, french, gender, person = OBJECTS[word]
    return Phrase([word], [french], gender, person)


def pick_noun(d: Derivation, sort: str) -> Noun:
    """A noun that a verb whose objects are of this sort takes."""
    if sort not in _NOUN_CHOICES:
        sort = d.pick(_SORTS[sort])
    return d.draw(_NOUN_CHOICES[sort])


def pick_adjective(d: Derivation, noun: Noun, before: bool) -> Adjective:
    """An adjective that may qualify the noun; notes the combination."""
    adjective = d.draw(_ADJECTIVE_CHOICES[noun.sort, before])
    d.combinations.add((adjective.name, noun.name))
    return adjective


def _determiner(
    d: Derivation, noun: Noun, plural: bool, negated: bool, fixed: str
) -> tuple[str, list[str], list[str], bool]:
    """What stands first: (its kind, English, French, whether the noun is plural)."""
    place = 2 if plural else 0 if noun.gender == "m" else 1
    definite = (["the"], [("le", "la", "les")[place]])
    kind = fixed or d.pick(_KINDS)
    if noun.sort == "food":
        if kind in ("indefinite", "quantity"):
            if negated:
                return kind, ["any"], ["de"], False
            return kind, ["some"], [("DU", "DE_LA")[place]], False
        kind = "definite" if kind == "demonstrative" else kind
    if kind == "indefinite" and negated:
        return kind, ["any"] if plural else ["a"], ["de"], plural
    if kind == "indefinite":
        return kind, ["some"] if plural else ["a"], [("un", "une", "des")[place]], plural
    if kind == "possessive":
        word = d.pick(tuple(_POSSESSIVES))
        return kind, [word], [_POSSESSIVES[word][place]], plural
    if kind == "demonstrative":
        word = "these" if plural else "this"
        return kind, [word], [("ce", "cette", "ces")[place]], plural
    if kind == "quantity":
        return kind, *_quantity(d, noun, negated), True
    if kind == "each":
        return kind, ["every"], ["chaque"], False
    return "definite", *definite, plural


_KINDS = (
    *("definite",) * 9,
    *("indefinite",) * 4,
    *("possessive",) * 3,
    *("demonstrative",) * 2,
    "quantity",
)


def _quantity(d: Derivation, noun: Noun, negated: bool) -> tuple[list[str], list[str]]:
    choice = d.dice.uniform()
    if choice < 0.4 or negated:
        english, french = d.pick(_NUMBERS)
        return [english], [french]
    if choice < 0.55:
        return ["several"], ["plusieurs"]
    if choice < 0.7:
        return ["many"], ["beaucoup", "de"]
    if choice < 0.85:
        return ["a", "few"], ["quelques"]
    return ["all", "the"], ["tous" if noun.gender == "m" else "toutes", "les"]


def noun_phrase(
    d: Derivation,
    sort: str,
    *,
    negated: bool = False,
    fixed: str = "",
    simple: bool = False,
    noun: Noun | None = None,
) -> Phrase:
    """A noun phrase of the given sort, its French agreeing throughout.

    ``negated``: the direct object of a negated verb, where "un", "des" and "du" become "de".
    ``fixed``: the determiner, free when empty. ``simple``: no possessor, no coordination.
    """
    if noun is None and not fixed and not negated and not simple and sort in ("subject", "any"):
        if d.chance(0.08):
            name, gender = d.draw(_NAME_CHOICE)
            return Phrase([name], [name], gender, 2)
        if d.rich(0.1):
            return _coordination(d, sort)
    noun = noun or pick_noun(d, sort)
    if noun.sort != "food" and not negated and not simple and not fixed:
        if d.chance(0.05):
            return _superlative(d, noun)
        if d.chance(0.05):
            return _possessed(d, noun)
    plural = noun.sort != "food" and d.chance(0.33)
    if not fixed and not negated and d.chance(0.02) and noun.sort != "food":
        fixed = "each"
    kind, english, french, plural = _determiner(d, noun, plural, negated, fixed)
    qualified = _qualified(d, noun, plural)
    if kind == "indefinite" and english == ["a"]:
        english = [english_article(qualified[0][0])]
    if french == ["des"] and qualified[2]:
        french = ["de"]  # "de grands arbres": before a preposed adjective
    return Phrase(
        english + qualified[0],
        _liaison(french + qualified[1], plural),
        noun.gender,
        5 if plural else 2,
        noun,
    )


def _liaison(french: list[str], plural: bool) -> list[str]:
    """Forms before a vowel in the singular: "mon amie", "cet arbre", "un bel homme"."""
    words = list(french)
    if plural:
        return words
    for position in range(len(words) - 1):
        if words[position] in _BEFORE_VOWEL and starts_with_vowel(words[position + 1]):
            words[position] = _BEFORE_VOWEL[words[position]]
    return words


def _qualified(d: Derivation, noun: Noun, plural: bool) -> tuple[list[str], list[str], bool]:
    """The noun with its adjectives: (English, French, whether one stands before it in French)."""
    english, french = [noun.english[plural]], [noun.french[plural]]
    after = d.chance(0.12 + 0.15 * d.richness)
    before = d.chance(0.12 + 0.12 * d.richness)
    if after:
        adjective = pick_adjective(d, noun, before=False)
        words, forms = [adjective.name], agree(adjective.french, noun.gender, plural).split()
        if d.rich(0.15):
            second = pick_adjective(d, noun, before=False)
            if second is not adjective:
                words += ["and", second.name]
                forms += ["et", *agree(second.french, noun.gender, plural).split()]
                before = False
        english, french = words + english, french + forms
    if before:
        adjective = pick_adjective(d, noun, before=True)
        english = [adjective.name, *english]
        french = [agree(adjective.french, noun.gender, plural), *french]
    return english, french, before


def _superlative(d: Derivation, noun: Noun) -> Phrase:
    """ "the biggest house in the village", "la plus grande maison du village"."""
    plural = d.chance(0.2)
    article = "les" if plural else "le" if noun.gender == "m" else "la"
    adjective = pick_adjective(d, noun, before=d.chance(0.5))
    english = [superlative(adjective), noun.english[plural]]
    form = agree(adjective.french, noun.gender, plural).split()
    if adjective.french == ("bon", "bonne"):
        form = [agree(("meilleur",), noun.gender, plural)]
    else:
        form = ["plus", *form]
    head = noun.french[plural]
    ordered = [article, *form, head] if adjective.before else [article, head, article, *form]
    french = _liaison(ordered, plural)
    if d.chance(0.4):
        place = noun_phrase(d, "place", fixed="definite", simple=True)
        english += ["in", *place.english]
        french += ["de", *place.french]
    return Phrase(["the", *english], french, noun.gender, 5 if plural else 2, noun)


def superlative(adjective: Adjective) -> str:
    """ "biggest", "best", "most dangerous"."""
    if adjective.name == "good":
        return "best"
    if adjective.comparative:
        return adjective.comparative.removesuffix("er") + "est"
    return f"most {adjective.name}"


def _possessed(d: Derivation, noun: Noun) -> Phrase:
    """ "the king's horse", "le cheval du roi"; "the roof of the house" for things."""
    plural = d.chance(0.25)
    article = "les" if plural else "le" if noun.gender == "m" else "la"
    words = _qualified(d, noun, plural)
    if noun.sort in ("thing", "place") and d.chance(0.35):
        owner = noun_phrase(d, d.pick(("place", "thing")), fixed="definite", simple=True)
        english = ["the", *words[0], "of", *owner.english]
    else:
        owner = _owner(d)
        english = [*owner.english[:-1], owner.english[-1] + "'s", *words[0]]
    french = [*_liaison([article, *words[1]], plural), "de", *owner.french]
    return Phrase(english, french, noun.gender, 5 if plural else 2, noun)


def _owner(d: Derivation) -> Phrase:
    if d.chance(0.3):
        name, gender = d.draw(_NAME_CHOICE)
        return Phrase([name], [name], gender, 2)
    while True:
        owner = noun_phrase(d, "person", fixed=d.pick(("definite", "possessive")), simple=True)
        if not owner.plural:
            return owner


def _coordination(d: Derivation, sort: str) -> Phrase:
    """Two phrases joined by "and": plural, and masculine unless both are feminine."""
    first = noun_phrase(d, sort, fixed="definite", simple=True)
    second = noun_phrase(d, sort, fixed=d.pick(("definite", "possessive")), simple=True)
    gender = "f" if first.gender == second.gender == "f" else "m"
    english = [*first.english, "and", *second.english]
    return Phrase(english, [*first.french, "et", *second.french], gender, 5)
