"""Sphinx extension: a feed of changes, made from CHANGELOG.md. Where the site has no address, there is none."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from markdown_it import MarkdownIt
from sphinx.application import Sphinx

FILE = "feed.xml"
VERSION = re.compile(r"^## (?P<version>\S+) \((?P<date>\d{4}-\d\d-\d\d)\)\n(?P<text>.*?)(?=^## |\Z)", re.M | re.S)


def feed(changelog: str, title: str, address: str) -> str:
    """An Atom feed (RFC 4287) with an entry for each version, newest first."""
    versions = list(VERSION.finditer(changelog))
    root = ElementTree.Element("feed", xmlns="http://www.w3.org/2005/Atom")

    def add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
        element = ElementTree.SubElement(parent, tag, attributes)
        element.text = text or None
        return element

    add(root, "title", f"{title}: changes")
    add(root, "id", address)
    add(root, "link", href=address)
    add(root, "link", rel="self", href=address + FILE)
    add(root, "updated", f"{versions[0]['date']}T00:00:00Z")
    add(add(root, "author"), "name", title)
    for found in versions:
        entry = add(root, "entry")
        add(entry, "title", f"Version {found['version']}")
        add(entry, "id", f"{address}{FILE}#{found['version']}")
        add(entry, "link", href=address)
        add(entry, "updated", f"{found['date']}T00:00:00Z")
        add(entry, "content", MarkdownIt().render(found["text"].strip()), type="html")
    return ElementTree.tostring(root, "unicode", xml_declaration=True)


def write(app: Sphinx, error: Exception | None) -> None:
    if not error and app.config.html_baseurl and app.builder.name == "html":
        changelog = Path(app.srcdir, "CHANGELOG.md").read_text("utf-8")
        text = feed(changelog, app.config.html_title, app.config.html_baseurl)
        Path(app.outdir, FILE).write_text(text, "utf-8")


def announce(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Let readers' programs find the feed from any page."""
    if app.config.html_baseurl:
        link = (
            f'<link rel="alternate" type="application/atom+xml" title="Changes" href="{app.config.html_baseurl}{FILE}">'
        )
        context["metatags"] = f"{context.get('metatags', '')}\n{link}"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", announce)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
