"""Markdown as HTML: headings, paragraphs, lists, quotes, code, tables, links and emphasis of CommonMark and GitHub.

Nothing else: HTML within it is dropped, images become their text, and links lead only to http, https and mailto. Every
step is one pass over the text, with bounded patterns, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape, unescape

# Depth of nested lists and quotes; anything deeper is a paragraph.
DEPTH_LIMIT = 6
COLUMNS_LIMIT = 40
# Prefixes already used by the page around it.
TOP_HEADING = 3

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
_ITEM = re.compile(r"( {0,3})([-*+]|\d{1,9}[.)])( {1,4}(?=\S)|$| )")
_REFERENCE = re.compile(r" {0,3}\[([^\[\]]{1,300})\]: *<?([^\s<>]{1,1000})>?(?:[ \t].*)?")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")

# Stands for finished HTML while the rest is read: no text contains this character.
_HELD = re.compile(r"\0(\d+)\0")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_TICKS = re.compile(r"(?<!\\)`+")
_CODE_CHARACTERS = 2_000
_AUTOMATIC = re.compile(r"<((?:https?://|mailto:)[^\s<>]{1,1000}|[\w.+-]{1,64}@[\w.-]{1,255})>", re.IGNORECASE)
_TAG = re.compile(r"<!--[^\0]{0,500}?-->|</?[a-zA-Z][^<>]{0,1000}>")
# Between words these are more than nothing.
_BREAK = re.compile(r"</?(?:br|p|div|li|t[dhr]|h\d)\b", re.IGNORECASE)
_PIPE = re.compile(r"(?<!\\)\|")
# With at most one pair of parentheses in it.
_DESTINATION = r"\([ \t]{0,9}<?([^\s()<>]{0,700}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200})?)>?(?:[ \t][^()]{0,300})?\)"
_IMAGE = re.compile(rf"!\[([^\[\]]{{0,300}})\](?:{_DESTINATION}|\[[^\[\]]{{0,300}}\])")
_LINK = re.compile(rf"\[([^\[\]]{{1,500}})\](?:{_DESTINATION}|\[([^\[\]]{{0,300}})\])?")
_ADDRESS = re.compile(r"https?://[^\s<>\"'\0\[\]()*`]{1,1000}", re.IGNORECASE)
_EMPHASIS = (
    ("em", re.compile(r"(?<![*\w])\*(?=\S)([^*]{1,2000})(?<=\S)\*(?![*\w])")),
    ("em", re.compile(r"(?<!\w)_(?=\S)([^_]{1,2000})(?<=\S)_(?!\w)")),
    ("strong", re.compile(r"\*\*(?=\S)([^*]{1,2000})(?<=\S)\*\*")),
    ("strong", re.compile(r"(?<!\w)__(?=\S)([^_]{1,2000})(?<=\S)__(?!\w)")),
    # Around strong text: ***both***.
    ("em", re.compile(r"\*(\0\d+\0)\*")),
)
_ANCHOR = re.compile(r"</?a\b[^>]*>")
_ALLOWED = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def to_html(text: str) -> str:
    """`text` has no control characters except tabs and line feeds."""
    references: dict[str, str] = {}
    lines = []
    given = text.expandtabs(4).split("\n")
    last_end = max((at for at, line in enumerate(given) if "-->" in line), default=0)
    fence, in_comment = "", False
    for at, line in enumerate(given):
        if in_comment:
            _, end, line = line.partition("-->")
            in_comment = not end
        elif fence:
            fence = "" if _closes(line, fence) else fence
        elif found := _FENCE.match(line):
            fence = found[1]
        elif line[:7].lstrip().startswith("<!--") and "-->" not in line and at < last_end:
            line, in_comment = "", True
        elif matched := _REFERENCE.fullmatch(line):
            references.setdefault(_label(matched[1]), matched[2])
            continue
        lines.append(line)
    return "".join(_Blocks(references).of(lines, 0))


class _Blocks:
    def __init__(self, references: dict[str, str]) -> None:
        self._references = references
        # A heading is at most one level below the previous one.
        self._level = TOP_HEADING - 1

    def of(self, lines: list[str], depth: int) -> Iterator[str]:
        at = 0
        while at < len(lines):
            line = lines[at]
            if not line.strip():
                at += 1
            elif fence := _FENCE.match(line):
                end = next((i for i in range(at + 1, len(lines)) if _closes(lines[i], fence[1])), len(lines))
                yield _code(lines[at + 1 : end])
                at = end + 1
            elif line.startswith("    "):
                end = _first(lines, at, lambda it: bool(it.strip()) and not it.startswith("    "))
                yield _code([it[4:] for it in lines[at:end]])
                at = end
            elif heading := _HEADING.match(line):
                yield self._heading(len(heading[1]), _unclosed(line[heading.end() :].strip()))
                at += 1
            elif _is_rule(line):
                yield "<hr>"
                at += 1
            elif line.lstrip().startswith(">") and depth < DEPTH_LIMIT:
                end = _first(lines, at, lambda it: not it.strip())
                inner = [it.lstrip().removeprefix(">").removeprefix(" ") for it in lines[at:end]]
                yield f"<blockquote>{''.join(self.of(inner, depth + 1))}</blockquote>"
                at = end
            elif _ITEM.match(line) and depth < DEPTH_LIMIT:
                end, listed = self._list(lines, at, depth)
                yield listed
                at = end
            elif _is_table(lines, at):
                end = _first(lines, at + 2, lambda it: "|" not in it)
                yield self._table(line, lines[at + 2 : end])
                at = end
            else:
                end = at + 1
                while end < len(lines) and not _ends_paragraph(lines[end]) and not _is_table(lines, end):
                    end += 1
                paragraph = " ".join(it.strip() for it in lines[at:end])
                if end < len(lines) and (underline := _UNDERLINE.fullmatch(lines[end])):
                    yield self._heading(1 if underline[1][0] == "=" else 2, paragraph)
                    end += 1
                elif (content := self._inline(paragraph)).strip():
                    yield f"<p>{content.strip()}</p>"
                at = end

    def _heading(self, level: int, text: str) -> str:
        self._level = min(level + TOP_HEADING - 1, self._level + 1, 6)
        content = self._inline(text)
        return f"<h{self._level}>{content}</h{self._level}>" if content.strip() else ""

    def _list(self, lines: list[str], at: int, depth: int) -> tuple[int, str]:
        """Where the list that starts at `at` ends, and its HTML."""
        first = _ITEM.match(lines[at])
        assert first is not None
        kind = first[2][-1]
        items = []
        while at < len(lines) and (item := _ITEM.match(lines[at])) and item[2][-1] == kind:
            indent = len(item[0]) if item[3] else len(item[0]) + 1
            content = [lines[at][item.end() :]]
            at += 1
            while at < len(lines) and self._belongs(lines, at, indent):
                line = lines[at]
                content.append(line[min(indent, len(line) - len(line.lstrip())) :])
                at += 1
            items.append(content)
        name = "ol" if kind in ".)" else "ul"
        start = f' start="{int(first[2][:-1])}"' if name == "ol" and int(first[2][:-1]) != 1 else ""
        return at, f"<{name}{start}>{''.join(f'<li>{self._item(it, depth)}</li>' for it in items)}</{name}>"

    def _belongs(self, lines: list[str], at: int, indent: int) -> bool:
        line = lines[at]
        if not line.strip():
            return at + 1 < len(lines) and lines[at + 1].startswith(" " * indent)
        return line.startswith(" " * indent) or not _ends_paragraph(line)

    def _item(self, lines: list[str], depth: int) -> str:
        content = "".join(self.of(lines, depth + 1))
        # The usual item is one paragraph, which needs no space around it.
        return (
            content[3:-4]
            if content.startswith("<p>") and content.count("<p>") == 1 and content.endswith("</p>")
            else content
        )

    def _table(self, head: str, rows: list[str]) -> str:
        def cells(row: str, name: str) -> str:
            *found, last = _PIPE.split(row.strip().removeprefix("|"), COLUMNS_LIMIT)
            found += [last] if last else []
            texts = (it.replace("\\|", "|").strip() for it in found[:COLUMNS_LIMIT])
            return f"<tr>{''.join(f'<{name}>{self._inline(it)}</{name}>' for it in texts)}</tr>"

        return (
            f"<table><thead>{cells(head, 'th')}</thead><tbody>{''.join(cells(it, 'td') for it in rows)}</tbody></table>"
        )

    def _inline(self, text: str) -> str:
        held: list[str] = []

        def hold(html: str) -> str:
            held.append(html)
            return f"\0{len(held) - 1}\0"

        def shown(text: str) -> str:
            return escape(unescape(text))

        def emphasised(text: str) -> str:
            for name, pattern in _EMPHASIS:
                text = pattern.sub(lambda it: hold(f"<{name}>{shown(it[1])}</{name}>"), text)  # noqa: B023 (called at once)
            return shown(text)

        def link(matched: re.Match[str]) -> str:
            url = matched[2] if matched[2] is not None else self._references.get(_label(matched[3] or matched[1]))
            if url is None:
                return matched[0]
            return hold(_anchor(url, emphasised(unlinked(matched[1])))) if _ALLOWED.match(url) else matched[1]

        def unlinked(text: str) -> str:
            """No link is within another."""
            return _HELD.sub(lambda it: hold(_ANCHOR.sub("", held[int(it[1])])), text)

        def address(matched: re.Match[str]) -> str:
            url = matched[0].rstrip(".,;:!?")
            return hold(_anchor(url, escape(url))) + matched[0][len(url) :]

        text = _without_code(text, lambda code: hold(f"<code>{escape(code)}</code>"))
        text = _ESCAPED.sub(lambda it: hold(escape(it[1])), text)
        text = _AUTOMATIC.sub(lambda it: hold(_anchor(it[1], escape(it[1]))), text)
        text = _TAG.sub(lambda it: " " if _BREAK.match(it[0]) else "", text)
        text = _IMAGE.sub(lambda it: it[1], text)
        text = emphasised(_ADDRESS.sub(address, _LINK.sub(link, text)))
        # What is held holds only what was there before.
        while _HELD.search(text):
            text = _HELD.sub(lambda it: held[int(it[1])], text)
        return text


def _anchor(url: str, content: str) -> str:
    """Parts of a link's destination may have been read as something else before: those are dropped."""
    url = _HELD.sub("", url).replace("&amp;", "&")
    url = url if _ALLOWED.match(url) else f"mailto:{url}"
    return f'<a href="{escape(url)}" rel="nofollow noreferrer">{content}</a>'


def _without_code(text: str, hold: Callable[[str], str]) -> str:
    """Each span between equal numbers of backticks, replaced."""
    parts = []
    at = 0
    while ticks := _TICKS.search(text, at):
        end = text.find(ticks[0], ticks.end(), ticks.end() + _CODE_CHARACTERS)
        parts.append(text[at : ticks.start()])
        if end == -1:
            parts.append(ticks[0])
            at = ticks.end()
        else:
            parts.append(hold(text[ticks.end() : end].strip()))
            at = end + len(ticks[0])
    return "".join([*parts, text[at:]])


def _code(lines: list[str]) -> str:
    return f"<pre><code>{escape(chr(10).join(lines).rstrip())}</code></pre>"


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return len(text) >= len(fence) and not text.strip(fence[0])


def _is_rule(line: str) -> bool:
    text = line.replace(" ", "")
    return len(text) >= 3 and text[0] in "-*_" and not text.strip(text[0])


def _unclosed(heading: str) -> str:
    """Without the `#` that may close it: those after a space."""
    bare = heading.rstrip("#")
    return heading if bare and not bare[-1].isspace() else bare.rstrip()


def _is_table(lines: list[str], at: int) -> bool:
    return "|" in lines[at] and at + 1 < len(lines) and _is_delimiter(lines[at + 1])


def _is_delimiter(line: str) -> bool:
    return "-" in line and "|" in line and not line.strip("|:- ")


def _ends_paragraph(line: str) -> bool:
    return (
        not line.strip()
        or line.lstrip().startswith((">", "```", "~~~"))
        or any(pattern.match(line) for pattern in (_HEADING, _ITEM))
        or _is_rule(line)
        or _UNDERLINE.fullmatch(line) is not None
    )


def _first(lines: list[str], at: int, ends: Callable[[str], bool]) -> int:
    return next((i for i in range(at, len(lines)) if ends(lines[i])), len(lines))


def _label(text: str) -> str:
    return " ".join(text.lower().split())
