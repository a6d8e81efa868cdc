"""What the book says of its address: nothing while it has none, and all of it once it has."""

import importlib.util
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from built_book import pages_of_the_toc
from lesson_outputs import ROOT


@pytest.fixture
def settled():
    """Settles a configuration for a repository's address; returns it with the extensions that were asked for."""
    spec = importlib.util.spec_from_file_location("published", ROOT / "book/published.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def settle(repository: str):
        asked = []
        options = {
            "repository_url": f"https://github.com/{repository}",
            "launch_buttons": {"colab_url": "https://colab.research.google.com"},
            "use_repository_button": True,
            "use_issues_button": True,
        }
        config = SimpleNamespace(html_theme_options=options)
        module.settle_address(SimpleNamespace(setup_extension=asked.append), config)
        return config, asked

    return settle


def test_without_an_address_there_are_no_buttons_and_no_sitemap(settled):
    config, asked = settled("OWNER/some-course")
    options = config.html_theme_options
    assert options["launch_buttons"] == {}
    assert not options["use_repository_button"]
    assert not options["use_issues_button"]
    assert asked == []
    assert not hasattr(config, "html_baseurl")


def test_with_an_address_pages_know_where_they_are_published(settled):
    config, asked = settled("ada/course")
    assert config.html_theme_options["launch_buttons"]
    assert config.html_baseurl == config.ogp_site_url == "https://ada.github.io/course/"
    assert config.notfound_urls_prefix == "/course/"
    assert config.sitemap_url_scheme == "{link}"
    assert asked == ["sphinx_sitemap"]


def test_each_version_of_the_changelog_is_an_entry_of_the_feed():
    spec = importlib.util.spec_from_file_location("feed", ROOT / "book/feed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    root = ElementTree.fromstring(module.feed(changelog, "A course", "https://ada.github.io/course/"))
    atom = {"a": "http://www.w3.org/2005/Atom"}
    entries = root.findall("a:entry", atom)
    titles = [entry.findtext("a:title", namespaces=atom) for entry in entries]
    assert titles == [f"Version {version}" for version in re.findall(r"^## (\S+)", changelog, re.M)]
    ids = [each.text for each in root.findall(".//a:id", atom)]
    assert len(set(ids)) == len(titles) + 1
    assert entries[0].findtext("a:content", namespaces=atom).startswith("<h3>")
    dates = [entry.findtext("a:updated", namespaces=atom) for entry in entries]
    assert dates == sorted(dates, reverse=True)
    assert root.findtext("a:updated", namespaces=atom) == dates[0]


def test_there_is_a_page_for_addresses_that_lead_nowhere(html):
    text = (html / "404.html").read_text("utf-8")
    assert 'href="/_static/' in text
    assert "../_static" not in text


def test_pages_have_a_description_for_previews_of_links(html):
    text = (html / "lessons/01_data.html").read_text("utf-8")
    assert '<meta property="og:description" content="What is in CIFAR-10' in text
    assert '<meta name="description" content="What is in CIFAR-10' in text


def test_a_page_that_moved_leads_to_one_that_exists(html):
    redirects = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]["redirects"]
    for old, new in redirects.items():
        page = html / f"{old}.html"
        assert f'http-equiv="refresh" content="0; url={new}"' in page.read_text("utf-8")
        assert (page.parent / new).is_file(), new
        assert old not in pages_of_the_toc()
