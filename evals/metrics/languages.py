"""The language of an answer, told by its script and, where that is Latin, by the little words that every text is full of.

It knows the languages below and no others, and is unsure of less than a sentence and of near relatives in a short text: then it says so
and gives no verdict. Code and addresses are left out.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Final

from evals.metrics.verdicts import Undecided, Verdict

_LONGEST: Final = 20_000
_FEWEST_WORDS: Final = 2
_LEAST_SHARE: Final = 0.5
_LEFT_OUT: Final = re.compile(r"```.*?```|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # noqa: RUF001

# By the first word of a letter's name in Unicode. Scripts that several languages share decide for those named here only.
_SCRIPTS: Final[Mapping[str, frozenset[str]]] = {
    "GREEK": frozenset({"el"}),
    "HEBREW": frozenset({"he"}),
    "HANGUL": frozenset({"ko"}),
    "THAI": frozenset({"th"}),
    "HIRAGANA": frozenset({"ja"}),
    "KATAKANA": frozenset({"ja"}),
    "CJK": frozenset({"zh", "ja"}),
    "ARABIC": frozenset({"ar", "fa", "ur"}),
    "CYRILLIC": frozenset({"ru", "uk", "bg", "sr"}),
    "DEVANAGARI": frozenset({"hi", "mr", "ne"}),
}
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the and of to is in that it you for with are this not was have your i can be at what from an my do we will which",
        "de": "der die das und ist nicht ich du sie es ein eine zu mit auf für den dem von im wir kann wie auch sind was dir ihnen wird",
        "fr": "le la les et est des une un que je vous il dans pour pas avec ce sur qui du en nous sont au cette plus votre être ne",
        "es": "el la los las y es que una un de en no por con para se lo su del al como más está son qué te usted puedo hay",
        "it": "il la che di e è un una per non con sono del della gli le si mi ti questo come più anche alla ho posso nel",
        "pt": "o a os as e é que um uma de do da em não para com se por mais como você são no na ao está seu posso isso",
        "nl": "de het een en is van ik je dat niet in op te zijn met voor die aan er kan wat ook u naar maar als wordt",
        "sv": "och är det en ett att jag du som inte på för med av den till kan har om vad vi de från var",
        "da": "og er det en et at jeg du som ikke på for med af den til kan har om hvad vi de fra der",
        "no": "og er det en et at jeg du som ikke på for med av den til kan har om hva vi de fra var",
        "pl": "i w nie na to jest się z że do jak co ja ty o ale po za dla czy mogę są być od tak przez jego",
        "fi": "ja on ei se että en olen voin mitä tämä hän kun niin mutta ovat sinun minun myös kuin joka voi",
        "tr": "bir ve bu için de da ne ben sen ile çok var mı olarak daha ama gibi değil olan size evet kadar",  # noqa: RUF001  # a Turkish letter
    }.items()
}


def speaks(wanted: str, text: str) -> Verdict:
    """Raise Undecided for a language that is not known here, and where the text is too little to tell."""
    if wanted not in KNOWN:
        raise Undecided("language_not_known")
    found = languages_of(text)
    if not found:
        raise Undecided("language_not_told")
    return Verdict(wanted in found, f"is in {' or '.join(sorted(found))}, {wanted} is wanted")


def languages_of(text: str) -> frozenset[str]:
    """Those that it may be in; none where that cannot be told."""
    words = _WORD.findall(_LEFT_OUT.sub(" ", text[:_LONGEST]).casefold())
    scripts = Counter(_script(word[0]) for word in words)
    if not scripts:
        return frozenset()
    if scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return frozenset({"ja"})
    most, times = scripts.most_common(1)[0]
    return _latin(words) if most == "LATIN" else _SCRIPTS.get(most, frozenset()) if times >= _LEAST_SHARE * len(words) else frozenset()


def _latin(words: list[str]) -> frozenset[str]:
    hits = {language: sum(word in little for word in words) for language, little in _WORDS.items()}
    most = max(hits.values())
    return frozenset(language for language, times in hits.items() if times == most) if most >= _FEWEST_WORDS else frozenset()


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(maxsplit=1)[0]


KNOWN: Final = frozenset(_WORDS) | frozenset(language for languages in _SCRIPTS.values() for language in languages)
