"""Anchors of headings as Git hosts make them, so that a link works there and in the site."""

from __future__ import annotations

import re


def slug(heading: str, separator: str = "-") -> str:
    """The anchor of a heading's text: lower case, letters, digits, hyphens and underscores; spaces become hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)
