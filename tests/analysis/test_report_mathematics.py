"""Mathematics of labels as HTML and as plain text."""

import pytest

from analysis import style
from analysis.report.mathematics import html, parts, plain


@pytest.mark.parametrize(
    ("text", "markup", "words"),
    [
        ("$L_{TD}+L_I$", "<i>L</i><sub>TD</sub> + <i>L</i><sub>I</sub>", "L_TD + L_I"),
        ("$R^2$ of a < b", "<i>R</i><sup>2</sup> of a &lt; b", "R² of a < b"),
        (r"$I' \geq 0.9$", "<i>I</i>′ ≥ 0.9", "I′ ≥ 0.9"),
        (r"over $q_\xi$", "over <i>q</i><sub>ξ</sub>", "over q_ξ"),
        (r"$\lambda_I$", "<i>λ</i><sub>I</sub>", "λ_I"),
        ("without L_I on 10m_vs_11m", "without <i>L</i><sub>I</sub> on 10m_vs_11m", "without L_I on 10m_vs_11m"),
        ("loss_Ideal, XL_I", "loss_Ideal, XL_I", "loss_Ideal, XL_I"),
        ("", "", ""),
    ],
)
def test_labels_in_html_and_as_words(text, markup, words):
    assert html(text) == markup
    assert plain(text) == words


def test_every_label_is_rendered():
    """No dollar sign, backslash or brace is left."""
    for text in (*style.METRICS.values(), *style.SETTINGS.values(), *map(style.label, style.ARMS)):
        assert not set(plain(text)) & set("$\\{}"), text
        assert not set(html(text)) & set("$\\{}"), text


def test_parts_name_the_elements():
    assert parts("a $L_I$") == [("", "a "), ("i", "L"), ("sub", "I")]
