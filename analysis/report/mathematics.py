"""Mathematics between dollar signs, as in labels of figures, in HTML and in plain text.

The subset of TeX is that of the labels: letters, numbers, signs, named symbols, primes, subscripts and superscripts.
"""

import re
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

SYMBOLS = {
    **{"lambda": "λ", "mu": "μ", "xi": "ξ", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ"},
    **{"geq": "≥", "leq": "≤", "pm": "±", "times": "×", "cdot": "·", "sim": "∼"},
}
OPERATORS = "+−=≥≤±×∼"  # with spaces around them
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
TOKEN = re.compile(r"(?P<place>[_^]?)(?:\{(?P<group>[^{}]*)\}|\\(?P<symbol>[a-zA-Z]+)|(?P<sign>.))", re.DOTALL)
UNMARKED = re.compile(r"\bL_(TD|I|D)\b")  # in sentences without dollar signs


class Part(NamedTuple):
    """Part of a text: `kind` is the HTML element of mathematics (i, sub, sup), or empty for other text."""

    kind: str
    text: str


def parts(text: str) -> list[Part]:
    """Split a text into its parts; neighbouring parts of one kind are joined."""
    marked = UNMARKED.sub(r"$L_{\1}$", text) if "$" not in text else text
    joined: list[Part] = []
    for place, piece in enumerate(marked.split("$")):
        for part in _formula(piece) if place % 2 else [Part("", piece)]:
            if joined and joined[-1].kind == part.kind:
                joined[-1] = Part(part.kind, joined[-1].text + part.text)
            elif part.text:
                joined.append(part)
    return joined


def _formula(formula: str) -> Iterator[Part]:
    for token in TOKEN.finditer("".join(formula.split())):
        text = _symbol(token["symbol"]) if token["symbol"] else _named(token["group"] or token["sign"] or "")
        if token["place"]:
            yield Part("sub" if token["place"] == "_" else "sup", text)
        else:
            yield Part("i" if text.isalpha() else "", f" {text} " if text in OPERATORS else text)


def _named(text: str) -> str:
    """Return a text with symbols in the place of their names."""
    return re.sub(r"\\([a-zA-Z]+)", lambda name: _symbol(name[1]), text).replace("'", "′")


def _symbol(name: str) -> str:
    return SYMBOLS.get(name, name)


def html(text: str) -> str:
    """Return a text as escaped HTML with its mathematics."""
    return "".join(f"<{kind}>{escape(part)}</{kind}>" if kind else escape(part) for kind, part in parts(text))


def plain(text: str) -> str:
    """Return a text without dollar signs, for places that admit no markup: R², q_ξ."""
    prefixes = {"sub": "_"}
    return "".join(
        part.translate(SUPERSCRIPTS) if kind == "sup" else prefixes.get(kind, "") + part for kind, part in parts(text)
    )
