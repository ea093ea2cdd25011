"""Chapter 1.1, the grammar's clauses: verb groups, negation, pronouns before the verb, agreement.

A `Predicate` is what is said of a subject, in both languages and before any tense is chosen; `say`
gives it a subject, a tense and a negation. English leaves its adverbs at the end and its pronouns
after the verb; French puts both beside the verb, which is where a word-for-word translation fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from companion.text.gnmt import lexicon
from companion.text.gnmt.morphology import (
    EnglishVerb,
    FrenchVerb,
    english_verb,
    french_verb,
    participle,
)
from companion.text.gnmt.phrases import Phrase, rows

TENSES = ("present", "past", "progressive", "future", "near")


@dataclass(frozen=True)
class Verb:
    """One entry of the lexicon. A `stative` verb ("know") has no progressive; past: imparfait."""

    name: str
    english: EnglishVerb
    french: FrenchVerb
    complement: str  # "besoin" of "avoir besoin"
    reflexive: bool
    stative: bool
    sort: str  # of the object, or what stands in its place
    preposition: str  # French, before the object: "", "à", "de"
    rare: bool = False


def _verb(english: str, french: str, use: str, rare: bool = False) -> Verb:
    stative = french.endswith("+")
    infinitive, _, complement = french.rstrip("+").replace("se_", "se:").partition("_")
    reflexive = infinitive.startswith(("se:", "s'"))
    sort, _, preposition = use.partition(":")
    name = english.split("/")[0].replace("_", " ")
    return Verb(
        name,
        english_verb(english),
        french_verb(infinitive.removeprefix("se:").removeprefix("s'")),
        complement,
        reflexive,
        stative,
        sort,
        preposition,
        rare,
    )


VERBS = [_verb(*columns, rare) for columns, rare in rows(lexicon.VERBS)]
GIVING = [_verb(*columns) for columns, _ in rows(lexicon.GIVING)]
THAT = [_verb(*columns, "that") for columns, _ in rows(lexicon.THAT)]
IF = [_verb(*columns, "if") for columns, _ in rows(lexicon.IF)]
INFINITIVE = [_verb(*columns) for columns, _ in rows(lexicon.INFINITIVE)]
WEATHER = [_verb(*columns, "none") for columns, _ in rows(lexicon.WEATHER)]
FEELINGS = dict(columns for columns, _ in rows(lexicon.FEELINGS))
FREQUENCY = [columns for columns, _ in rows(lexicon.FREQUENCY)]
MANNER = [columns for columns, _ in rows(lexicon.MANNER)]

BE = _verb("be/was/been/being", "être+", "be")
HAVE = _verb("have/had", "avoir+", "have")
GOING = french_verb("aller")
CAN = _verb("can/could", "pouvoir+", "")
MUST = _verb("must", "devoir+", "")
WANT = _verb("want", "vouloir+", "")
# English and French negations; "nothing" stands where the object would.
NEGATIONS = {"not": "pas", "never": "jamais", "no longer": "plus", "nothing": "rien"}


@dataclass(frozen=True)
class Predicate:
    """A verb with its objects. `clitics` stand before the French verb, in French order.

    `agreement` is the gender and number of a direct object that precedes the verb, with which a
    participle after avoir agrees. `heavy`: it ends in a clause, so nothing may follow.
    """

    verb: Verb
    english: list[str] = field(default_factory=list)
    french: list[str] = field(default_factory=list)
    clitics: list[str] = field(default_factory=list)
    agreement: tuple[str, bool] | None = None
    frozen: bool = False  # no more adjuncts of place: the frame has its own
    heavy: bool = False
    be: bool = False  # English "be": no do-support


@dataclass(frozen=True)
class Chain:
    """A verb before an infinitive: "wants to", "vouloir"; "tries to", "essayer de"."""

    verb: Verb
    preposition: str = ""


# --- English ------------------------------------------------------------------------------------


def be_form(person: int, past: bool) -> str:
    """am, is, are, was or were."""
    if past:
        return "was" if person in (0, 2) else "were"
    return {0: "am", 2: "is"}.get(person, "are")


def _not(auxiliary: str) -> list[str]:
    if auxiliary in ("am", "must"):
        return [auxiliary, "not"]
    return [{"will": "won't", "can": "can't"}.get(auxiliary, auxiliary + "n't")]


def english_group(
    verb: Verb,
    be: bool,
    person: int,
    tense: str,
    negated: bool,
    adverb: list[str],
    inverted: bool,
) -> tuple[list[str], list[str]]:
    """The words before the subject of a question (else empty), and those after the subject."""
    forms = verb.english
    if tense == "progressive":
        auxiliary, rest = be_form(person, past=True), [*adverb, forms.ing]
    elif tense == "future":
        auxiliary, rest = "will", [*adverb, forms.base]
    elif tense == "near":
        auxiliary, rest = be_form(person, past=False), [*adverb, "going", "to", forms.base]
    elif verb.name in ("can", "must"):
        auxiliary, rest = (forms.past if tense == "past" else forms.base), adverb
    elif be:
        auxiliary, rest = be_form(person, tense == "past"), adverb
    elif negated or inverted:
        present = "does" if person == 2 else "do"
        auxiliary, rest = ("did" if tense == "past" else present), [*adverb, forms.base]
    else:
        present = forms.third if person == 2 else forms.base
        return [], [*adverb, forms.past if tense == "past" else present]
    group = _not(auxiliary) if negated else [auxiliary]
    return (group, rest) if inverted else ([], [*group, *rest])


# --- French -------------------------------------------------------------------------------------

_REFLEXIVE = ("me", "te", "se", "nous", "vous", "se")


def _clitics(predicate: Predicate, person: int) -> list[str]:
    own = [_REFLEXIVE[person]] if predicate.verb.reflexive else []
    return own + predicate.clitics


def _participle(predicate: Predicate, subject: Phrase) -> str:
    verb = predicate.verb
    if verb.reflexive or verb.french.auxiliary == "être":
        return participle(verb.french, subject.gender, subject.plural)
    if predicate.agreement:
        return participle(verb.french, *predicate.agreement)
    return verb.french.participle


def french_group(
    predicate: Predicate,
    subject: Phrase,
    tense: str,
    ne: bool,
    after_finite: list[str],
    adverb: list[str],
    chain: Chain | None,
) -> list[str]:
    """From "ne" to the last form of the verb. ``after_finite`` is "pas" and its like."""
    verb, person = predicate.verb, subject.person
    start = ["ne"] if ne else []
    tail = [verb.complement] if verb.complement else []
    clitics = _clitics(predicate, person)
    if tense == "near" and chain is None:
        finite = [*start, GOING.present[person], *after_finite]
        return [*finite, *clitics, verb.french.infinitive, *adverb, *tail]
    if chain is not None:
        group = french_group(Predicate(chain.verb), subject, tense, ne, after_finite, [], None)
        link = [chain.preposition] if chain.preposition else []
        return [*group, *link, *clitics, verb.french.infinitive, *adverb, *tail]
    if tense == "past" and not verb.stative:
        reflexive_or_etre = verb.reflexive or verb.french.auxiliary == "être"
        auxiliary = (BE if reflexive_or_etre else HAVE).french
        finite = [*start, *clitics, auxiliary.present[person], *after_finite, *adverb]
        return [*finite, _participle(predicate, subject), *tail]
    forms = {"past": verb.french.imperfect, "progressive": verb.french.imperfect}
    forms |= {"present": verb.french.present, "future": verb.french.future}
    return [*start, *clitics, forms[tense][person], *after_finite, *adverb, *tail]


# --- both ---------------------------------------------------------------------------------------


@dataclass
class Clause:
    """A clause before its punctuation. `heavy`: it ends in a clause of its own."""

    english: list[str]
    french: list[str]
    heavy: bool = False


def say(
    subject: Phrase,
    predicate: Predicate,
    tense: str,
    *,
    negation: str = "",
    frequency: list[str] | None = None,
    manner: list[str] | None = None,
    chain: Chain | None = None,
    question: bool = False,
    ending: tuple[list[str], list[str]] = ((), ()),
) -> Clause:
    """The clause: subject, verb group, objects, and an ending of time and place.

    ``negation``: a key of `NEGATIONS`, or "nobody" when the subject is "nobody" ("personne ne").
    ``frequency`` and ``manner``: [English, French] adverbs. ``question``: English inverts, while
    French keeps its order after "est-ce que", which the caller supplies.
    """
    early = negation.split() if negation in ("never", "no longer") else []
    early += [frequency[0]] if frequency else []
    head = chain.verb if chain else predicate.verb
    be = predicate.be and chain is None
    front, group = english_group(
        head, be, subject.person, tense, negation == "not", early, question
    )
    if chain:
        group += [] if head.name in ("can", "must") else ["to"]
        group.append(predicate.verb.english.base)
    nothing = ["nothing"] if negation == "nothing" else []
    english = [*front, *subject.english, *group, *nothing, *predicate.english]
    english += ([manner[0]] if manner else []) + list(ending[0])

    words = [NEGATIONS[negation]] if negation in NEGATIONS else []
    words += [frequency[1]] if frequency else []
    french = [
        *subject.french,
        *french_group(
            predicate, subject, tense, bool(negation), words, [manner[1]] if manner else [], chain
        ),
        *predicate.french,
        *ending[1],
    ]
    return Clause(english, french, predicate.heavy)


def infinitive(predicate: Predicate, subject: Phrase) -> tuple[list[str], list[str]]:
    """The predicate after "to" and "pour": "to see it", "pour le voir"."""
    verb = predicate.verb
    english = [verb.english.base, *predicate.english]
    tail = [verb.complement] if verb.complement else []
    clitics = _clitics(predicate, subject.person)
    return english, [*clitics, verb.french.infinitive, *tail, *predicate.french]
