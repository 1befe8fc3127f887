"""Stored Markdown as a page shows it."""

import pytest

from apps.files.admin.rendering import Places, markdown_html, split_front_matter

PLACES = Places("notes/a/today.md", lambda path: f"/page?{path}", lambda path: f"/bytes?{path}")


def html(text: str) -> str:
    return markdown_html(text, PLACES).strip()


def test_markdown_becomes_html():
    assert html("# A *fine* day\n\n- one") == "<h1>A <em>fine</em> day</h1>\n<ul>\n<li>one</li>\n</ul>"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](vbscript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](javascript:alert(1))",
        '![x](x.png "a\\" onerror=alert(1)")',
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "```<script>\nx\n```",
    ],
)
def test_nothing_in_a_text_runs(text: str):
    rendered = html(text)

    assert "<script" not in rendered
    assert "<svg" not in rendered
    for attribute in (' onerror="', " onerror=", ' onload="', 'href="javascript', 'src="javascript', 'href="data:'):
        assert attribute not in rendered.replace("&lt;img src=x onerror=", "").replace("&quot; onerror=", "")


def test_links_inside_the_workspace_lead_to_its_pages():
    assert html("[x](../b.md)") == '<p><a href="/page?notes/b.md" rel="noopener noreferrer">x</a></p>'
    assert html("[x](c%20d.md)") == '<p><a href="/page?notes/a/c d.md" rel="noopener noreferrer">x</a></p>'
    assert html("[x](/top.md#part)") == '<p><a href="/page?top.md" rel="noopener noreferrer">x</a></p>'


def test_a_link_that_climbs_out_of_the_workspace_leads_nowhere_inside():
    assert "/page?" not in html("[x](../../../secret.md)")


def test_pictures_of_the_workspace_are_shown():
    assert html("![a dot](img/dot.png)") == '<p><img src="/bytes?notes/a/img/dot.png" alt="a dot"></p>'


def test_a_picture_from_elsewhere_is_a_link_and_is_not_loaded():
    rendered = html('![a "dot" <b>](https://example.org/dot.png)')

    assert "<img" not in rendered
    assert 'href="https://example.org/dot.png"' in rendered


def test_front_matter_is_split_off():
    assert split_front_matter("---\na: 1\n---\n# T\n") == ("a: 1\n", "# T\n")
    assert split_front_matter("# T\n---\n") == ("", "# T\n---\n")
    assert split_front_matter("---\nnever closed\n") == ("", "---\nnever closed\n")
