"""The style of pages about reports: no script, nothing from other hosts, light and dark, narrow and wide."""

from __future__ import annotations

from html import escape

__all__ = ["html_page"]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8886; --alert: #c8324a; --warning: #b06a00; --notice: #2f6fa7; --ok: #2c7d4f; }}
@media (prefers-color-scheme: dark) {{ :root {{ --alert: #ff8095; --warning: #f0b050; --notice: #7fb8e8; --ok: #6fcf97; }} }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }}
.alert, .warning {{ font-weight: 600; }} .alert {{ color: var(--alert); }} .warning {{ color: var(--warning); }}
.notice {{ color: var(--notice); }} .ok {{ color: var(--ok); }}
.headline {{ font-size: 1.2rem; }} .note {{ opacity: .75; font-size: .9rem; }}
ul.pages {{ list-style: none; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); align-items: start; }}
ul.pages li {{ border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; }}
ul.pages img {{ width: 100%; background: #fff; border-radius: .3rem; margin-top: .5rem; }}
.wide {{ overflow-x: auto; }} .date {{ white-space: nowrap; }}
@media (max-width: 40rem) {{
  table.stacked thead {{ display: none; }} table.stacked td {{ display: block; border: 0; padding: .1rem 0; }}
  table.stacked tr {{ display: block; border-bottom: 1px solid var(--line); padding: .6rem 0; }}
}}
</style>
{body}
</html>
"""


def html_page(title: str, body: str) -> str:
    """Return a page with a title and a body, whose values are escaped already."""
    return _PAGE.format(title=escape(title), body=body)
