"""Damages text as people do who edit it: words, numbers and lines."""

import re

from damage import damage

ODD = (
    "nan", "inf", "-inf", "1e999", "-1", "0", "0.0", "true", "null", '""', "[]", "{}", '"x"',
    "9" * 400, "9" * 5000, "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00",
    "[" * 2000, "{\"a\":" * 2000,
    '"\\ud800"', "\ufeff", "\x00", "\x1b[2J", "١٢", "1_000", "0x7fffffffffffffffffff", "[1, 2]",
    "9223372036854775808", "1e308", "-1e308", "5e-324", '"' + "a" * 70000 + '"', "[[]]", "[null]",
)  # fmt: skip


def damaged_text(wholes):
    """Texts whose words, lines or bytes are wrong."""

    def damaged(dice):
        text = dice.choice(wholes)
        way = dice.randrange(8)
        if way == 0:
            return damage(text.encode(), dice)
        if way == 1:
            encoding = dice.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7"))
            return text.encode(encoding)
        for _ in range(dice.choice((1, 1, 2))):
            text = reworded(text, dice) if way < 6 else _relined(text, dice)
        return text.encode("utf-8", "surrogatepass")

    return damaged


def reworded(text, dice):
    """One word, number or quoted text of it is another."""
    words = list(re.finditer(r'"[^"\n]*"|[\w.+-]+', text))
    if not words:
        return text
    word = dice.choice(words)
    others = (dice.choice(ODD), dice.choice(words).group(), word.group() * 2, "")
    return text[: word.start()] + dice.choice((others[0], *others)) + text[word.end() :]


def _relined(text, dice):
    lines = text.splitlines(keepends=True)
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    way = dice.randrange(4)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(other, lines[at])
    elif way == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at:] = lines[at : at + 1] * 50
    return "".join(lines)
