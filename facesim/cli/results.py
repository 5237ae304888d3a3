"""What a new model's test gave, as text."""

from pathlib import Path


def results_text(results: dict, people: str, model: Path) -> str:
    """Return the results on test pairs of `people`, a line for each, and where the model is."""
    low, high = results["f1_interval"]
    return (
        f"tested on  {results['test_pairs']} pairs of {people}\n"
        f"F1         {results['f1']:.4f} (95 %: {low:.4f} to {high:.4f})\n"
        f"accuracy   {results['accuracy']:.2%}\n"
        f"threshold  {results['threshold']:.4f}\n"
        f"FMR        {results['fmr']:.2%}\n"
        f"FNMR       {results['fnmr']:.2%}\n"
        f"model      {model}"
    )
