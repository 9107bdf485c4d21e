"""Sphinx's configuration of the site. Nothing of a page comes from another server."""

from __future__ import annotations

from pathlib import Path

from eventstore.common.version import VERSION

project = "realtime-eventstore"
release = VERSION
extensions = ["myst_parser", "sphinx_copybutton"]

# Ids within a line, `[]{#id}`, and anchors of headings as a repository's pages have them.
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 6
# Examples have `…` where something was left out: in JSON and HTTP that is no error of the page.
suppress_warnings = ["misc.highlighting_failure"]

# Quotes and dashes stay as they are written: some are to be typed.
smartquotes = False

html_theme = "furo"
html_title = f"realtime-eventstore {VERSION}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["search.js"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_favicon = "../../eventstore/web/pages/static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_domain_indices = False
html_use_index = False

# What is copied of a console's block are its commands.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
