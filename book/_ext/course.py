"""The few lines of Sphinx that this book needs and that nothing well kept provides.

Directives: `chapter-table` (all chapters by part), `ledger` (all claims), `live` (a live model).
It also copies `book/live` into the site and keeps unused scripts off the pages.
"""

import html
import math
import shutil
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

PARTS = {
    "text": "Text",
    "speech": "Speech",
    "vision": "Vision",
    "rl": "Reinforcement learning",
    "systems": "Systems",
    "news": "News",
}
KINDS = {
    "reproduced": "Reproduced on real data",
    "recovered": "Recovered from data with a planted effect",
}
KIND_NOTES = {
    "reproduced": "The data is real. The verdict says whether the paper's effect shows in it.",
    "recovered": (
        "The data was generated with the effect in it. The verdict says whether the method finds "
        "the effect, not whether the world has it."
    ),
}
VERDICTS = {
    "holds": "verdict-holds",
    "does not hold": "verdict-fails",
    "inconclusive": "verdict-open",
    "not finished": "verdict-open",
}


def site_root(docname: str) -> str:
    """The relative address of the site's root as seen from the page `docname`."""
    return "../" * docname.count("/")


def raw(text: str) -> nodes.raw:
    """HTML as a docutils node."""
    return nodes.raw("", text, format="html")


# ---------------------------------------------------------------- all chapters


def read_chapters(path: Path) -> list[dict]:
    """The chapters of `chapters.yml`; ExtensionError names an entry that lacks something."""
    chapters = yaml.safe_load(path.read_text(encoding="utf-8"))
    for chapter in chapters:
        missing = {"part", "name", "number", "title", "paper", "ready", "minutes"} - set(chapter)
        if missing:
            raise ExtensionError(
                f"{path.name}: the entry {chapter} lacks {sorted(missing)}; add it"
            )
        if chapter["part"] not in PARTS:
            raise ExtensionError(
                f"{path.name}: part {chapter['part']!r} of chapter {chapter['name']!r} is none of "
                f"{', '.join(PARTS)}"
            )
    return chapters


def chapter_row(chapter: dict, root: str) -> str:
    """One row of the table of chapters; a ready chapter is a link."""
    title = html.escape(chapter["title"])
    minutes = chapter["minutes"]
    if chapter["ready"]:
        title = f'<a href="{root}chapters/{chapter["part"]}/{chapter["name"]}.html">{title}</a>'
    state = (
        f"<td>{minutes['human']} min</td><td>{minutes['machine']} min</td>"
        if minutes
        else '<td colspan="2" class="chapter-planned">planned</td>'
    )
    return (
        f'<tr class="{"chapter-ready" if chapter["ready"] else "chapter-unready"}">'
        f'<td class="chapter-number">{chapter["number"]}</td>'
        f'<th scope="row">{title}<span class="chapter-paper">{html.escape(chapter["paper"])}</span>'
        f"</th>{state}</tr>"
    )


def chapter_table(chapters: list[dict], root: str) -> str:
    """All chapters by part as one HTML table."""
    bodies = []
    for part, name in PARTS.items():
        rows = "".join(chapter_row(c, root) for c in chapters if c["part"] == part)
        if rows:
            head = f'<tr><th scope="rowgroup" colspan="4" class="chapter-part">{name}</th></tr>'
            bodies.append(f"<tbody>{head}{rows}</tbody>")
    ready = sum(chapter["ready"] for chapter in chapters)
    verb = "is" if ready == 1 else "are"
    return (
        '<table class="chapter-table">'
        f"<caption>{len(chapters)} chapters, of which {ready} {verb} ready</caption>"
        '<thead><tr><th scope="col"><span class="visually-hidden">Number</span></th>'
        '<th scope="col">Chapter and paper</th>'
        '<th scope="col">You</th><th scope="col">Machine</th></tr></thead>'
        f"{''.join(bodies)}</table>"
    )


class ChapterTable(SphinxDirective):
    """`{chapter-table}`: every chapter of `chapters.yml`, by part."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / "chapters.yml"
        self.env.note_dependency(str(path))
        return [raw(chapter_table(read_chapters(path), site_root(self.env.docname)))]


# ---------------------------------------------------------------- the ledger


def number(value: float | None) -> str:
    """A figure for a table: three significant digits, a proper minus sign, a dash for nothing."""
    if value is None:
        return "–"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(0, 2 - size)}f}".replace("-", "−")


def spread(mean: float, interval: list[float] | None) -> str:
    """A mean and the interval around it; the mean alone while one run gives no interval."""
    if interval is None:
        return number(mean)
    low, high = map(number, interval)
    return f'{number(mean)} <small class="interval">[{low}, {high}]</small>'


def paper_words(claim: dict) -> str:
    """What the paper reports for the claim, each with its source."""
    return "".join(
        f"<div>{html.escape(line['text'])} <small>{html.escape(line['source'])}</small></div>"
        for line in claim["paper"]
    )


def seed_count(claim: dict) -> int:
    """The number of seeds of the claim's method."""
    return len(claim["arms"][claim["method"]]["runs"])


def cell(column: str, content: str) -> str:
    """A table cell that knows its column's name, which a narrow screen shows above it."""
    return f'<td role="cell" data-column="{column}">{content}</td>'


def measured_by(claim: dict) -> str:
    """How a claim was measured: seeds, minutes, machine, date."""
    stamp = claim["stamp"]
    return (
        f"{seed_count(claim)} seeds, {number(stamp['minutes'])} minutes, "
        f"{html.escape(stamp['machine'])}, {html.escape(stamp['date'])}"
    )


def our_figures(claim: dict) -> str:
    """Each arm's mean and interval, the paired difference, and the scores to compare with."""
    lines = {name: (arm["mean"], arm["interval"]) for name, arm in claim["arms"].items()}
    if claim["difference"]:
        lines["difference"] = (claim["difference"]["mean"], claim["difference"]["interval"])
    lines |= {name: (value, None) for name, value in claim["references"].items()}
    shown = "".join(
        f"<div>{html.escape(name.replace('_', ' '))} {spread(*figures)}</div>"
        for name, figures in lines.items()
    )
    better = f"{claim['direction']} is better"
    scale = f"{claim['metric']}, {claim['unit']}; {better}"
    return f"{shown}<small>{html.escape(scale)}</small>"


def headline_row(claim: dict, root: str, stale: bool) -> str:
    """One claim's row: verdict, ours beside the paper's, and how it was measured."""
    verdict = claim["verdict"] or "not finished"
    badge = f'<span class="verdict {VERDICTS[verdict]}">{verdict}</span>'
    if stale:
        badge += (
            ' <span class="verdict verdict-stale" title="The code has changed since">stale</span>'
        )
    link = f'<a href="{root}chapters/{claim["chapter"]}.html">{html.escape(claim["title"])}</a>'
    return (
        f'<tr role="row"><th scope="row" role="rowheader">{link}'
        f'<span class="claim-statement">{html.escape(claim["statement"])}</span>'
        f'<small class="claim-stamp">{measured_by(claim)}</small></th>'
        f"{cell('Verdict', badge)}{cell('Ours', our_figures(claim))}"
        f"{cell('The paper', paper_words(claim))}</tr>"
    )


def headline_table(claims: list[tuple[dict, bool]], kind: str, root: str) -> str:
    """All claims of one kind; `claims` are pairs of the claim and whether it is stale."""
    chosen = [(claim, stale) for claim, stale in claims if claim["kind"] == kind]
    if not chosen:
        return '<p class="ledger-empty">No claim of this kind has been measured yet.</p>'
    head = "".join(
        f'<th scope="col" role="columnheader">{name}</th>'
        for name in ("Claim", "Verdict", "Ours", "The paper")
    )
    rows = "".join(headline_row(claim, root, stale) for claim, stale in chosen)
    return (
        # A narrow screen shows the rows as cards, which would take away the table's own roles.
        '<table class="ledger-table" role="table"><thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead><tbody role="rowgroup">{rows}</tbody></table>'
    )


def metric_cell(metric: dict | None) -> str:
    """A study's figure with its lowest and highest seed; a dash where an arm has none."""
    if metric is None:
        return number(None)
    return spread(metric["mean"], [metric["low"], metric["high"]])


def study_table(study: dict) -> str:
    """One study: an arm a row, a metric a column."""
    names = ["Arm", *study["columns"].values(), "Seeds"]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(row["arm"])}</th>'
        + "".join(f"<td>{metric_cell(row['metrics'].get(key))}</td>" for key in study["columns"])
        + f"<td>{row['seeds']}</td></tr>"
        for row in study["rows"]
    )
    unit = f" In {html.escape(study['unit'])}." if study["unit"] else ""
    return (
        f'<div class="table-wide" tabindex="0" role="region" '
        f'aria-label="{html.escape(study["title"])}"><table class="study-table">'
        f"<caption>Mean, and the lowest and highest seed.{unit}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def study_html(study: dict) -> str:
    """What a study asks, what the paper says to it, and its table."""
    paper = f" The paper: {html.escape(study['paper'].rstrip('.'))}." if study["paper"] else ""
    command = study.get("command")
    source = f" Its data come by <code>{html.escape(command)}</code>." if command else ""
    return f"<p>{html.escape(study['question'])}{paper}{source}</p>{study_table(study)}"


def read_claims(folder: Path) -> list[tuple[dict, bool]]:
    """Every claim under the package `folder`, in the order of parts, each with its stale mark."""
    from companion.claims import is_stale, load

    claims = [load(path) for path in sorted(folder.glob("*/*/claim.json"))]
    claims.sort(key=lambda claim: list(PARTS).index(claim["chapter"].split("/")[0]))
    return [(claim, is_stale(claim)) for claim in claims]


def titled(title: str, identifier: str, *children: nodes.Node) -> nodes.section:
    """A section of the page, so that it also stands in the page's contents."""
    section = nodes.section(ids=[identifier], names=[identifier])
    section += nodes.title(text=title)
    section += children
    return section


class Ledger(SphinxDirective):
    """`{ledger}`: verdicts first, reproduced and recovered apart; then each chapter's studies."""

    def run(self) -> list[nodes.Node]:
        import companion

        claims = read_claims(Path(companion.__file__).parent)
        root = site_root(self.env.docname)
        sections = [
            titled(
                title,
                f"ledger-{kind}",
                nodes.paragraph(text=KIND_NOTES[kind]),
                raw(headline_table(claims, kind, root)),
            )
            for kind, title in KINDS.items()
        ]
        for claim, _ in claims:
            for study in claim["studies"]:
                identifier = f"study-{claim['chapter'].replace('/', '-')}-{study['name']}"
                title = f"{claim['title']}: {study['title']}"
                sections.append(titled(title, identifier, raw(study_html(study))))
        return sections


# ---------------------------------------------------------------- live models


def live_html(folder: str, root: str, poster: str, text: str) -> str:
    """The region of a live model: a poster and a button until the reader starts it."""
    return (
        f'<section class="live" aria-label="Live model" data-live="{root}live/{folder}/" '
        f'data-kit="{root}live/kit/"><div class="live-stage"><div class="live-poster">{poster}'
        f'<p class="live-text">{text}</p>'
        '<button type="button" class="live-start" hidden>Start the live model</button>'
        "<noscript><p>The live model runs in the page and needs JavaScript, which is switched off "
        "here.</p></noscript></div></div>"
        '<p class="live-status" role="status"></p></section>'
    )


class Live(SphinxDirective):
    """`{live} part/chapter`: the chapter's live model; the body says in a sentence what it does."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        folder = Path(self.env.srcdir) / "live" / self.arguments[0]
        if not (folder / "demo.js").is_file():
            raise self.error(f"live: there is no demo.js in {folder}; expected part/chapter")
        picture = folder / "poster.svg"
        poster = picture.read_text(encoding="utf-8") if picture.is_file() else ""
        text = html.escape(" ".join(self.content))
        return [raw(live_html(self.arguments[0], site_root(self.env.docname), poster, text))]


# ---------------------------------------------------------------- the site


def require_vendor(app: Sphinx) -> None:
    """Stop before the build when the browser libraries are not there."""
    if not (Path(app.srcdir) / "_extra" / "vendor" / "stamp.txt").is_file():
        raise ExtensionError(
            "book/_extra/vendor is missing: run `python tools/vendor.py` (`make book` does) to "
            "fetch the browser libraries that the site serves"
        )


def set_repository_buttons(app: Sphinx, config) -> None:
    """Buttons that point at the repository exist only once its address is set."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    for name in ("use_repository_button", "use_edit_page_button", "use_issues_button"):
        options[name] = known
    options.setdefault("launch_buttons", {})
    options["launch_buttons"]["colab_url"] = "https://colab.research.google.com" if known else ""


def is_unused(script, body: str) -> bool:
    """Whether a page with this HTML has no use for a script that Sphinx put on it.

    Jupyter Book loads Thebe everywhere and uses it nowhere; Sphinx loads MathJax also on the pages
    above one with formulas.
    """
    name = getattr(script, "filename", None) or ""
    code = (getattr(script, "attributes", None) or {}).get("body") or ""
    if "thebe" in name or "THEBE_JS_URL" in code:
        return True
    is_mathjax = "mathjax" in name or "window.MathJax" in code
    return is_mathjax and 'class="math ' not in body


def drop_unused_scripts(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Keep heavy scripts off the pages that do not need them."""
    body = context.get("body", "")
    context["script_files"] = [
        script for script in context["script_files"] if not is_unused(script, body)
    ]


def copy_live(app: Sphinx, error: Exception | None) -> None:
    """Serve `book/live` as `/live`; html_extra_path would put its contents at the site's root."""
    if error or app.builder.format != "html":
        return
    source, target = Path(app.srcdir) / "live", Path(app.outdir) / "live"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx when it loads this extension."""
    app.add_directive("chapter-table", ChapterTable)
    app.add_directive("ledger", Ledger)
    app.add_directive("live", Live)
    app.connect("config-inited", set_repository_buttons, priority=100)
    app.connect("builder-inited", require_vendor)
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("build-finished", copy_live)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
