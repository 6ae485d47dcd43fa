"""The page `/docs`: inputs, outputs, and a form that sends a request. It loads nothing from other hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from string import Template
from typing import Any

from ...model.signature import Field, Signature

__all__ = ["docs_page"]

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$model · $version</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2563eb; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { margin: 0; } h2 { margin: 2.5rem 0 .75rem; } .version { color: gray; margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
code, pre, textarea { font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre, textarea { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
textarea { width: 100%; box-sizing: border-box; min-height: 16rem; color: inherit; }
input { font: inherit; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: 8px; margin-right: .6rem; }
button { font: inherit; color: white; background: var(--accent); border: 0; border-radius: 8px; padding: .5rem 1.4rem; margin: .6rem 0; cursor: pointer; }
.optional { color: gray; white-space: nowrap; }
</style></head><body>
<h1>$model</h1><p class="version">version <code>$version</code> · <a href="openapi.json">openapi.json</a></p>
<p><code>POST /predict</code> predicts for one record, or for a list of records in order. <code>POST /feedback</code> stores the actual outcome, by prediction id or by key.
Every prediction has an id and the version of the model, and is logged before the response is sent. The service also supports the Open Inference Protocol
(<code>/v2</code>) and MLflow clients (<code>/invocations</code>). Prometheus reads <code>/metrics</code>.</p>
<h2>Try it</h2>
<textarea id="record" spellcheck="false" aria-label="Record">$record</textarea>
${key}<button id="send">Predict</button>
<pre id="response" aria-live="polite" aria-label="Response">$response</pre>
<h2>From a terminal</h2>
<pre id="curl">$curl</pre>
<h2>Inputs</h2>
<table><thead><tr><th>Field</th><th>Type</th><th>Description</th></tr></thead><tbody>
$inputs
</tbody></table>
<h2>Outputs</h2>
<table><thead><tr><th>Field</th><th>Type</th><th>Description</th></tr></thead><tbody>
$outputs
</tbody></table>
<script>
const curl = document.getElementById("curl");
curl.textContent = curl.textContent.replace("http://127.0.0.1:8000/", document.baseURI.replace(/[^/]*$$/, ""));
const key = () => {
  const field = document.getElementById("key");
  return field && field.value ? {Authorization: "Bearer " + field.value} : {};
};
document.getElementById("send").addEventListener("click", async () => {
  const output = document.getElementById("response");
  try {
    const response = await fetch("predict", {
      method: "POST", headers: {"Content-Type": "application/json", ...key()}, body: document.getElementById("record").value});
    output.textContent = JSON.stringify(await response.json(), null, 2);
  } catch (error) { output.textContent = "The request failed: " + error; }
});
</script></body></html>
""")


def docs_page(
    signature: Signature,
    *,
    model: str,
    version: str,
    example: Mapping[str, Any],
    prediction: Mapping[str, Any],
    curl: str,
    keys: bool = False,
) -> str:
    """Return the page as HTML, with a field for the API key if callers need `keys`."""
    outputs = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(output.dtype)}</td>"
        f"<td>{escape(_sentence(output.title, output.help, output.unit))}</td></tr>"
        for name, output in signature.output_columns.items()
    ]
    return _PAGE.substitute(
        model=escape(model),
        version=escape(version),
        record=escape(json.dumps(dict(example), indent=2, ensure_ascii=False)),
        response=escape(json.dumps(dict(prediction), indent=2, ensure_ascii=False)),
        curl=escape(curl),
        key='<input id="key" type="password" placeholder="API key" aria-label="API key">' if keys else "",
        inputs="\n".join(_row(field) for field in signature.inputs),
        outputs="\n".join(outputs),
    )


def _row(field: Field) -> str:
    flags = [flag for flag, on in (("nullable", field.nullable), ("optional", field.optional)) if on]
    kind = f'{field.dtype}<br><span class="optional">{"<br>".join(flags)}</span>' if flags else field.dtype
    words = _sentence(field.title, field.help, field.unit)
    if field.categories:
        shown = ", ".join(field.categories[:20]) + (", …" if len(field.categories) > 20 else "")
        words = f"{words} {'For example' if field.open else 'One of'}: {shown}.".strip()
    limits = _limits(field)
    return f"<tr><td><code>{escape(field.name)}</code></td><td>{kind}</td><td>{escape(f'{words} {limits}'.strip())}</td></tr>"


def _limits(field: Field) -> str:
    low, high = (f"{limit:g}" if isinstance(limit, float) else limit for limit in (field.minimum, field.maximum))
    if low is not None and high is not None:
        return f"From {low} to {high}."
    if low is not None:
        return f"At least {low}."
    return f"At most {high}." if high is not None else ""


def _sentence(title: str, text: str, unit: str) -> str:
    parts = [part.rstrip(".") + "." for part in (title, text, f"In {unit}" if unit else "") if part]
    return " ".join(parts)
