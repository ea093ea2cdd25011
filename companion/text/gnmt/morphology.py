"""Chapter 1.1, the grammar's word forms: English and French inflection, and how words join.

Persons are numbered as in a French table of conjugation: 0 je, 1 tu, 2 il, 3 nous, 4 vous, 5 ils.
French words are joined by `join_french`, which contracts ("de" + "le": "du") and elides ("l'").
Words that look like articles but never contract carry a `+`: the pronoun "le+" in "de le voir".
"""

from dataclasses import dataclass

from companion.text.gnmt import lexicon

_IMPERFECT = ("ais", "ais", "ait", "ions", "iez", "aient")
_FUTURE = ("ai", "as", "a", "ons", "ez", "ont")
_ELIDING = ("je", "me", "se", "le", "la", "ne", "de", "que")
_VOWELS = "aeiouàâéèêëîïôœûù"


@dataclass(frozen=True)
class FrenchVerb:
    """Forms by person; the participle is masculine singular; `auxiliary` is avoir or être."""

    infinitive: str
    present: tuple[str, ...]
    imperfect: tuple[str, ...]
    future: tuple[str, ...]
    participle: str
    auxiliary: str


@dataclass(frozen=True)
class EnglishVerb:
    """Forms of an English verb; a particle ("look for") is part of each form."""

    base: str
    third: str
    past: str
    participle: str
    ing: str


# --- English ------------------------------------------------------------------------------------


def english_plural(noun: str) -> str:
    """The regular plural: "box", "boxes"; "baby", "babies"."""
    return _add_s(noun)


def english_verb(forms: str) -> EnglishVerb:
    """All forms from "base[/past[/participle[/-ing]]]", regular where left out."""
    given = [form.replace("_", " ").split(" ", 1) for form in forms.split("/")]
    base, *particle = given[0]
    tail = "".join(f" {word}" for word in particle)
    heads = [form[0] for form in given]
    silent_e = base.endswith("e") and not base.endswith("ee")
    if len(heads) > 1:
        past = heads[1]
    elif base.endswith("e"):
        past = base + "d"
    elif base.endswith("y") and base[-2] not in "aeiou":
        past = base[:-1] + "ied"
    else:
        past = base + "ed"
    participle = heads[2] if len(heads) > 2 else past
    ing = heads[3] if len(heads) > 3 else (base[:-1] if silent_e else base) + "ing"
    third = {"have": "has", "go": "goes"}.get(base) or _add_s(base)
    return EnglishVerb(*(form + tail for form in (base, third, past, participle, ing)))


def _add_s(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def english_article(following: str) -> str:
    """ "a" or "an" by the sound of the word that follows."""
    if following.startswith(("hour", "honest")):
        return "an"
    if following.startswith(("useful", "university", "uni")):
        return "a"
    return "an" if following[0] in "aeiou" else "a"


# --- French -------------------------------------------------------------------------------------


def starts_with_vowel(word: str) -> bool:
    """Whether French elides before the word: a vowel or a mute h ("l'hôtel", but "le héros")."""
    if word.startswith("h"):
        return word not in lexicon.ASPIRATED
    return word == "y+" or word[0] in _VOWELS


def french_plural(word: str) -> str:
    """The regular plural of a noun or adjective: none after s, x, z; x after au, eu."""
    if word.endswith(("s", "x", "z")):
        return word
    return word + ("x" if word.endswith(("au", "eu")) else "s")


def agree(forms: tuple[str, ...], gender: str, plural: bool) -> str:
    """An adjective or participle, given as (masculine[, feminine[, masculine plural]])."""
    masculine = forms[0]
    invariable = len(forms) == 3 and len(set(forms)) == 1
    if invariable:
        return masculine
    if gender == "f":
        feminine = forms[1] if len(forms) > 1 else _feminine(masculine)
        return french_plural(feminine) if plural else feminine
    if not plural:
        return masculine
    return forms[2] if len(forms) == 3 else french_plural(masculine)


def _feminine(masculine: str) -> str:
    return masculine if masculine.endswith("e") else masculine + "e"


def participle(verb: FrenchVerb, gender: str, plural: bool) -> str:
    """The past participle in agreement: "vu", "vue", "vus", "vues"; "dû", "due"."""
    return agree((verb.participle,), gender, plural)


def _irregular_verbs() -> dict[str, FrenchVerb]:
    verbs = {}
    for line in lexicon.IRREGULAR.strip().splitlines():
        infinitive, rest = line.split(": ")
        present, past, future, *auxiliary = rest.split(" | ")
        verbs[infinitive] = _verb(
            infinitive, tuple(present.split()), past, future, *(auxiliary or ["avoir"])
        )
    return verbs


def _verb(
    infinitive: str, present: tuple[str, ...], past: str, future: str, auxiliary: str
) -> FrenchVerb:
    stem = "ét" if infinitive == "être" else present[3].removesuffix("ons")
    imperfect = [stem + ending for ending in _IMPERFECT]
    if stem.endswith("ge"):  # mangeais, but mangions
        imperfect[3:5] = [stem[:-1] + "ions", stem[:-1] + "iez"]
    if stem.endswith("ç"):  # commençais, but commencions
        imperfect[3:5] = [stem[:-1] + "cions", stem[:-1] + "ciez"]
    futures = tuple(future + ending for ending in _FUTURE)
    return FrenchVerb(infinitive, present, tuple(imperfect), futures, past, auxiliary)


_IRREGULAR = _irregular_verbs()


def french_verb(infinitive: str) -> FrenchVerb:
    """Conjugate; raises ``ValueError`` when the infinitive is neither regular nor in the table."""
    if infinitive in _IRREGULAR:
        return _IRREGULAR[infinitive]
    auxiliary = "être" if infinitive in lexicon.WITH_ETRE else "avoir"
    stem = infinitive[:-2]
    if infinitive.endswith("er"):
        strong = _strong_stem(stem)  # before a silent ending: j'achète, je nettoie
        we = stem + "eons" if stem.endswith("g") else stem + "ons"
        if stem.endswith("c"):
            we = stem[:-1] + "çons"
        present = (strong + "e", strong + "es", strong + "e", we, stem + "ez", strong + "ent")
        # é stays in the future by the traditional spelling: je préférerai.
        future = (stem if "é" in stem[-3:] else strong) + "er"
        return _verb(infinitive, present, stem + "é", future, auxiliary)
    if infinitive.endswith("ir"):
        endings = ("is", "is", "it", "issons", "issez", "issent")
        present = tuple(stem + ending for ending in endings)
        return _verb(infinitive, present, stem + "i", infinitive, auxiliary)
    if infinitive.endswith("re"):
        present = tuple(stem + ending for ending in ("s", "s", "", "ons", "ez", "ent"))
        return _verb(infinitive, present, stem + "u", infinitive[:-1], auxiliary)
    raise ValueError(f"{infinitive!r} is not a French infinitive that this grammar conjugates")


def _strong_stem(stem: str) -> str:
    if stem.endswith(("appel", "jet")):
        return stem + stem[-1]
    if stem.endswith(("oy", "uy", "ay")):
        return stem[:-1] + "i"
    vowel, consonants = stem[-2:-1], stem[-1:]
    if vowel in "eé" and consonants not in "aeiouyé":
        return stem[:-2] + "è" + consonants
    if stem.endswith("ég"):  # protège
        return stem[:-2] + "èg"
    return stem


def join_french(words: list[str]) -> str:
    """Contract, elide and join: ["de", "le", "arbre"] gives "de l'arbre".

    The partitive article is written "DU" or "DE_LA"; after "de" it falls away, as "des" does.
    """
    contracted: list[str] = []
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        before = contracted[-1] if contracted else ""
        elides = bool(following) and starts_with_vowel(following)
        if before == "de" and word in ("des", "DU", "DE_LA", "de"):
            continue
        if word in ("DU", "DE_LA"):
            article = "le" if word == "DU" else "la"
            contracted += ["de", article] if elides or article == "la" else ["du"]
        elif before in ("de", "à") and (word == "les" or (word == "le" and not elides)):
            contracted[-1] = _CONTRACTED[before, word]
        else:
            contracted.append(word)
    text = ""
    for position, word in enumerate(contracted):
        following = contracted[position + 1] if position + 1 < len(contracted) else ""
        plain = word.rstrip("+")
        if plain in _ELIDING and following and starts_with_vowel(following):
            text += plain[:-1] + "'"
        elif plain == "si" and following in ("il", "ils"):
            text += "s'"
        else:
            text += plain + " "
    return text.strip()


_CONTRACTED = {
    ("de", "le"): "du",
    ("de", "les"): "des",
    ("à", "le"): "au",
    ("à", "les"): "aux",
}
