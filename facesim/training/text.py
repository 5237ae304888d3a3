"""A run's results beside those of its start as text, in words that say whether training helped."""

from pathlib import Path
from typing import Any

from facesim.evaluation.formatting import aligned, number, percent, with_interval
from facesim.text import printable

FOUND = {  # by the finding that `outcome` stores
    "too few people": "too few people are held out to show that training helps",
    "no better": "training did not improve the model beyond chance",
    "worse on strangers": "the trained model is better on people like these, but worse on strangers",
}


def comparison_text(results: dict[str, Any], output: Path, trained: Path) -> str:
    """Return the start's figures beside the trained network's, which of them `output` is, and why.

    `trained` is the file of the trained network if `output` is its start.
    """
    columns = {"start": results["start"]}
    if results.get("recalibrated", results["start"])["threshold"] != results["start"]["threshold"]:
        columns["its new threshold"] = results["recalibrated"]
    columns["trained"] = results["trained"]
    rows = [["", *columns], ["threshold", *(number(column["threshold"]) for column in columns.values())]]
    rows.append(["F1", *(number(column["f1"]) for column in columns.values())])
    rows += [[rate.upper(), *(_rate(column, rate) for column in columns.values())] for rate in ("fmr", "fnmr")]
    if "strangers" in results:
        start, trained_rates, data = (results["strangers"][key] for key in ("start", "trained", "data"))
        gap = [""] * (len(columns) - 2)
        for rate in ("fmr", "fnmr"):
            cells = [_rate(start, rate), *gap, _rate(trained_rates, rate)]
            rows.append([f"{rate.upper()} on {printable(data)}", *cells])
    test, chose = (_gain(results["gain"][part]) for part in ("test", "validation"))
    lines = [
        f"tested on {results['test_pairs']:,} pairs of people whom training never saw",
        *aligned(rows),
        f"training changed F1 by {chose} on the people who choose the threshold, {test} on those who test",
    ]
    seen = results["start"]["test_people_seen"]
    if seen:
        lines.append(f"the start has seen {seen} of the people who test: its figures may flatter it")
    return "\n".join([*lines, "", *_verdict(results, output, trained)])


def _rate(column: dict[str, Any], rate: str) -> str:
    return with_interval(column[rate], column[f"{rate}_interval"], percent)


def _gain(gain: dict[str, Any]) -> str:
    sure = "{:+.4f} to {:+.4f}".format(*gain["interval"]) if gain["interval"] else "too few to be sure"
    return f"{gain['f1']:+.4f} ({sure})"


def _verdict(results: dict[str, Any], output: Path, trained: Path) -> list[str]:
    found = FOUND.get(results["finding"], "")
    if results["output"] == "start":
        recalibrated = "recalibrated" in results
        changed = "with threshold, probability and error rates for these people" if recalibrated else "unchanged"
        return [
            f"{found[0].upper()}{found[1:]}: the model is the start, {changed}.",
            f"model      {printable(str(output))}",
            f"trained    {printable(str(trained))}",
        ]
    kept = f"The trained model is kept as asked, although {found}." if found else "Training improved the model."
    return [kept, f"model      {printable(str(output))}"]
