"""A page for each student: what was right, what was not and why, without the drawn inputs.

What the public tests said is shown in full: they ran before the drawn inputs were there. Of the
drawn inputs only fixed sentences and counts are shown, since whatever a student's code says about
them, the text of an exception or the shape of an array, could carry them out.
"""

import html

MEANINGS = {
    "missing": "There is no answer to it in your notebook.",
    "no function": "The cell does not define the function under the name that was asked for.",
    "stub": "It is not written yet: the function raises NotImplementedError.",
    "slow": "It did not end in the time allowed. Does every loop end?",
    "ended": "The process that ran it was ended, or gave nothing that can be read: it took too "
    "much memory, wrote too much, or stopped by itself.",
    "raises": "It raised an exception.",
    "not plain": "It returned something other than numbers, strings, lists, tuples, arrays and "
    "tensors, or far too much of it.",
    "form": "The answer was not of the type, length or shape that the statement asks for.",
    "nan": "There was NaN in the answer: something was divided by zero, or infinity taken from "
    "infinity.",
    "value": "The type and shape were right; the values were not.",
}
STYLE = """\
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; border: 1px solid #999; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem; border: 1px solid #999; }
td:last-child, th:last-child { text-align: right; }"""


def meaning(kind: str) -> str:
    """The sentence for a kind of failure; an exception of Python's own is named."""
    if kind.startswith("raises "):
        return f"It raised {kind.removeprefix('raises ')} for an input it should take."
    return MEANINGS[kind]


def advice(mark: dict) -> str:
    """What to look at next, for an exercise that is not right."""
    if mark["kinds"] in (["missing"], ["stub"], ["no function"]):
        return ""
    if mark["public"] is None:
        return (
            "All the tests in the notebook passed. They are examples: compare your function with "
            "the statement for what they leave out, such as padding, other shapes, ties or limits."
        )
    return "Begin with the test in the notebook that failed; what it says is below."


def page(
    result: dict,
    by_hand: dict[str, float] | None = None,
    comments: dict[str, str] | None = None,
) -> str:
    """The page for one result, as HTML that asks nothing of the network and runs nothing.

    `by_hand` holds the points of the exercises that the instructor marked, `comments` what the
    instructor wrote about an exercise.
    """
    rows, parts, total = [], [], 0.0
    for mark in result["exercises"]:
        name = html.escape(mark["function"])
        state, points = "right" if mark["points"] else "not right", mark["points"]
        if by_hand and mark["function"] in by_hand:
            state, points = "marked by hand", by_hand[mark["function"]]
        total += points
        cells = (name, state, f"{points:g} of {mark['maximum']}")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        comment = (comments or {}).get(mark["function"], "")
        if comment or not mark["points"]:
            parts.append(_part(name, mark, comment))
    refusal = ""
    if result["refusal"]:
        refusal = f"<p>Your notebook could not be graded: {html.escape(result['refusal'])}.</p>"
    title = f"{html.escape(result['assignment'])}: {total:g} of {result['maximum']} points"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
{STYLE}
</style></head><body>
<h1>{title}</h1>
<p>For {html.escape(result["student"])}.</p>
{refusal}<table><thead><tr><th>exercise</th><th></th><th>points</th></tr></thead><tbody>
{chr(10).join(rows)}
</tbody></table>
<p>An exercise is right when your function agrees with the solution on every input it is tried
on, among them some that are not in the notebook.</p>
{chr(10).join(parts)}
</body></html>
"""


def sentences(mark: dict) -> list[str]:
    """What the student may read of one exercise, a line each, but for what its tests said."""
    if mark["points"]:
        return [f"Right for all {mark['inputs']} inputs."]
    lines = []
    if mark["kinds"] != ["missing"] and mark["inputs"] > 1:
        lines.append(f"Right for {mark['right']} of {mark['inputs']} inputs.")
    lines.append(" ".join([*(meaning(kind) for kind in mark["kinds"]), advice(mark)]).strip())
    return lines


def tests_said(mark: dict) -> str:
    """What the public tests said of an exercise that is not right; nothing of an untouched one."""
    silent = mark["points"] or mark["public"] is None or mark["kinds"] == ["stub"]
    return "" if silent else mark["public"]


def _part(name: str, mark: dict, comment: str) -> str:
    parts = [f"<h2>{name}</h2>"]
    if not mark["points"]:
        parts += [f"<p>{html.escape(line)}</p>" for line in sentences(mark)]
    if said := tests_said(mark):
        parts.append(f"<p>The tests in the notebook said:</p>\n<pre>{html.escape(said)}</pre>")
    if comment:
        parts.append(f"<p>Your instructor wrote:</p>\n<pre>{html.escape(comment)}</pre>")
    return "\n".join(parts)
