"""Sphinx extension: what a page says of where it is published. With no address set there is no link to one.

``make address`` puts the repository's address in the place of OWNER; then there are Colab buttons and badges, a
sitemap, and addresses for previews of links.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform

PLACEHOLDER = "OWNER"


def settle_address(app: Sphinx, config: Config) -> None:
    """Tell the theme and the other extensions the site's address, or that there is none."""
    options = config.html_theme_options
    owner, name = options["repository_url"].removeprefix("https://github.com/").split("/")
    if owner == PLACEHOLDER:
        options |= {"launch_buttons": {}, "use_repository_button": False, "use_issues_button": False}
        config.notfound_urls_prefix = "/"
        return
    config.html_baseurl = config.ogp_site_url = f"https://{owner}.github.io/{name}/"
    config.ogp_image = f"{config.html_baseurl}_images/05_gradcam.png"
    config.notfound_urls_prefix = f"/{name}/"
    config.sitemap_url_scheme = "{link}"  # no language, no version in the address
    app.setup_extension("sphinx_sitemap")  # which warns where there is no address


def describe_without_badge(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A page's description begins with its text, not with what its badge says."""
    context["metatags"] = context.get("metatags", "").replace('content="Open in Colab ', 'content="')


class DropBadges(SphinxTransform):
    """Leave out badges that would lead to nobody's repository."""

    default_priority = 860

    def apply(self, **kwargs: Any) -> None:
        for link in list(self.document.findall(nodes.reference)):
            if f"/{PLACEHOLDER}/" in link.get("refuri", "") and isinstance(link.parent, nodes.paragraph):
                link.parent.parent.remove(link.parent)


def setup(app: Sphinx) -> dict[str, Any]:
    for extension in ("notfound.extension", "sphinx_reredirects", "sphinxext.opengraph"):
        app.setup_extension(extension)
    app.connect("config-inited", settle_address, priority=100)
    app.connect("html-page-context", describe_without_badge, priority=900)
    app.add_transform(DropBadges)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
