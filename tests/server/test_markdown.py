"""Descriptions in Markdown: what people see, and that nothing else can get into a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.views.markdown import to_html

ELEMENTS = {
    *("a", "blockquote", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong"),
    *("table", "tbody", "td", "th", "thead", "tr", "ul"),
}
LINK = re.compile(r"(?:https?://|mailto:)\S*", re.IGNORECASE)
# What begins, ends or disguises something, in HTML and in Markdown.
PIECES = st.sampled_from(
    [
        *(
            "*",
            "**",
            "_",
            "__",
            "`",
            "``",
            "```",
            "~~~",
            "\n",
            "\n\n",
            " ",
            "    ",
            "\t",
            "- ",
            "1. ",
            "> ",
            "# ",
            "|",
            "|-|-|",
        ),
        *(
            "[",
            "]",
            "(",
            ")",
            "](",
            "[a]: ",
            "![",
            "<",
            ">",
            "</p>",
            "<!--",
            "-->",
            "<script>",
            "<a href=x onclick=y>",
            "\\",
        ),
        *(
            "https://e.example/",
            "javascript:alert(1)",
            "JaVaScRiPt:",
            "data:text/html,",
            "mailto:a@b",
            "<a@b>",
            "//e.example",
            "&#106;",
        ),
        *('"', "'", "&lt;", "&", "===", "---", "a", "word", "é", "0", "1"),
    ]
)


class Structure(HTMLParser):
    """Fails for an element that is not one of ELEMENTS, does not end where it should, or has another attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self._within: list[str] = []
        self.feed(html)
        self.close()
        assert not self._within, html

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        names = [name for name, _ in attrs]
        assert names == ["href", "rel"] if tag == "a" else names in ([], ["start"] if tag == "ol" else []), attrs
        assert tag != "a" or (LINK.fullmatch(attrs[0][1] or "") and "a" not in self._within), attrs
        if tag != "hr":
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._within.pop() == tag
        self.text += "\n"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A #\n### b", "<h3>A</h3><h4>b</h4>"),
        ("A\n===\nb\n---\n", "<h3>A</h3><h4>b</h4>"),
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        (
            "*a* _b_ **c** __d__ `e*f*`",
            "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <code>e*f*</code></p>",
        ),
        ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
        ("snake_case_name and 2*3*4", "<p>snake_case_name and 2*3*4</p>"),
        (r"\*a\* `\*`", r"<p>*a* <code>\*</code></p>"),
        ("- a\n- b\n  - c\n", "<ul><li>a</li><li><p>b</p><ul><li>c</li></ul></li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("> a\n> b", "<blockquote><p>a b</p></blockquote>"),
        ("```py\n<x>\n```\nb", "<pre><code>&lt;x&gt;</code></pre><p>b</p>"),
        ("    a\n     b", "<pre><code>a\n b</code></pre>"),
        (
            "|a|b|\n|-|:-:|\n|1|**2**|",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead>"
            "<tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table>",
        ),
        ("***\n", "<hr>"),
        ("[a](https://e.example/x_(y))", '<p><a href="https://e.example/x_(y)" rel="nofollow noreferrer">a</a></p>'),
        ("[a][B] [b]\n\n[b]: https://e.example", 2 * '<a href="https://e.example" rel="nofollow noreferrer">%s</a> '),
        ("<https://e.example>.", '<p><a href="https://e.example" rel="nofollow noreferrer">https://e.example</a>.</p>'),
        (
            "See https://e.example.",
            '<p>See <a href="https://e.example" rel="nofollow noreferrer">https://e.example</a>.</p>',
        ),
        ("![seen](https://e.example/x.png)", "<p>seen</p>"),
        ("[![CI](x.svg)](https://e.example)", '<p><a href="https://e.example" rel="nofollow noreferrer">CI</a></p>'),
        ("[a](docs/a.md) [b](javascript:x) [c](//e.example)", "<p>a b c</p>"),
        ("<p align=center>a<br>b</p><!-- c -->", "<p>a b</p>"),
        ("<p>H<sub>2</sub>O</p><td>a</td><td>b</td>", "<p>H2O  a  b</p>"),
        ("a\n<!--\n# b\n\nc --> d", "<p>a</p><p>d</p>"),
        ("a <!-- b\n\nc", "<p>a &lt;!-- b</p><p>c</p>"),
        (
            "```\n<!--\n[a]: https://e.example\n-->\n```",
            "<pre><code>&lt;!--\n[a]: https://e.example\n--&gt;</code></pre>",
        ),
        ("***a*** and ***b***", "<p><em><strong>a</strong></em> and <em><strong>b</strong></em></p>"),
        ("a&nbsp;&copy; &lt;b&gt; `&lt;`", "<p>a\u00a0© &lt;b&gt; <code>&amp;lt;</code></p>"),
        (
            "[a](https://e.example/?a=1&amp;b=2)",
            '<p><a href="https://e.example/?a=1&amp;b=2" rel="nofollow noreferrer">a</a></p>',
        ),
        ("<a@e.example>", '<p><a href="mailto:a@e.example" rel="nofollow noreferrer">a@e.example</a></p>'),
        ("# C#\n# F# #\n# #", "<h3>C#</h3><h3>F#</h3>"),
        ("1. a\n```\nb\n```\n2. c", '<ol><li>a</li></ol><pre><code>b</code></pre><ol start="2"><li>c</li></ol>'),
        (
            "a\n|b|c|\n|-|-|\n|`x \\| y`||\n",
            "<p>a</p><table><thead><tr><th>b</th><th>c</th></tr></thead>"
            "<tbody><tr><td><code>x | y</code></td><td></td></tr></tbody></table>",
        ),
        ("a < b && c > d", "<p>a &lt; b &amp;&amp; c &gt; d</p>"),
        ("a `b", "<p>a `b</p>"),
        ("xxx\n\n# a x", "<p>xxx</p><h3>a x</h3>"),
        ("## b", "<h3>b</h3>"),
        ("# a\n## b\n### c\n#### d\n##### e", "<h3>a</h3><h4>b</h4><h5>c</h5><h6>d</h6><h6>e</h6>"),
        ("A\n===\nb\n---\nc\n---\nd\n=", "<h3>A</h3><h4>b</h4><h4>c</h4><h3>d</h3>"),
        ("\ta", "<pre><code>a</code></pre>"),
        ("<!-- b\n\nc", "<p>&lt;!-- b</p><p>c</p>"),
        ("<!-- a --> b\n\n<!-- c -->\nd", "<p>b</p><p>d</p>"),
        ("    <!-- a\n\nb -->", "<pre><code>&lt;!-- a</code></pre><p>b --&gt;</p>"),
        (">" * 7 + "a", "<blockquote>" * 6 + "<p>&gt;a</p>" + "</blockquote>" * 6),
        ("- " * 7 + "a", "<ul><li>" * 6 + "- a" + "</li></ul>" * 6),
        ("```\n```\nb", "<pre><code></code></pre><p>b</p>"),
        ("***\nb", "<hr><p>b</p>"),
        ("a\n> b", "<p>a</p><blockquote><p>b</p></blockquote>"),
        ("a\n~~~\nb\n~~~", "<p>a</p><pre><code>b</code></pre>"),
        ("-\n  - b", "<ul><li><ul><li>b</li></ul></li></ul>"),
        ("-\n - b", "<ul><li></li><li>b</li></ul>"),
        ("- a\nb\nc\n- d", "<ul><li>a b c</li><li>d</li></ul>"),
        ("- a\n\n  b", "<ul><li><p>a</p><p>b</p></li></ul>"),
        ("- a\n\nb", "<ul><li>a</li></ul><p>b</p>"),
        ("- [x] a[0]", "<ul><li>[x] a[0]</li></ul>"),
        ("[`a`](https://e.example)", '<p><a href="https://e.example" rel="nofollow noreferrer"><code>a</code></a></p>'),
        (
            "https://e.example/x!",
            '<p><a href="https://e.example/x" rel="nofollow noreferrer">https://e.example/x</a>!</p>',
        ),
        ("a | b", "<p>a | b</p>"),
        ("a|b\n-|c", "<p>a|b -|c</p>"),
        ("a|b\n- c", "<p>a|b</p><ul><li>c</li></ul>"),
        ("a|b\n\nc", "<p>a|b</p><p>c</p>"),
        ("|a|\n|-|\nb", "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table><p>b</p>"),
        ("|a|\n|-|", "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>"),
    ],
)
def test_markdown_is_shown_as_it_is_meant(text: str, html: str) -> None:
    expected = f"<p>{(html % ('a', 'b')).strip()}</p>" if "%s" in html else html
    assert to_html(text) == expected


@given(st.lists(PIECES, max_size=40).map("".join))
@example("*a **b* c**")
@example("[a](b *c) d*")
@example("__a *b__ c*")
@example("[https://e.example](https://e.example)")
@example("[<https://e.example>](https://e.example)")
@example("[`<a>` <a@e.example>](https://e.example)")
@example("[`a](https://e.example) b`")
@example("> - > 1. > - > # a")
def test_nothing_but_these_elements_comes_of_it(text: str) -> None:
    Structure(to_html(text))


@pytest.mark.parametrize(
    "piece",
    [
        *("[", "`a", "*a", "**a ", "[a](", "<a ", "<!--", ">", "> ", "- ", "|a", "```\n", "# a\n", "![a", "\\*"),
        "![a](" + " " * 49_000 + "b",
    ],
)
def test_a_description_that_never_ends_what_it_begins_is_shown(piece: str) -> None:
    """A step that looks at the rest for each of them would take minutes."""
    text = piece * (50_000 // len(piece))
    assert len(to_html(text)) < 20 * len(text)


@given(st.text("ab \n", max_size=60))
def test_words_stay(text: str) -> None:
    assert Structure(to_html(text)).text.split() == text.split()
