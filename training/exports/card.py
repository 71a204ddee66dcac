"""The card of a comparison set: what is in it, in words, and where its splits lie for Hugging Face `datasets`."""

from typing import Any

from training.exports.models import ComparisonSet
from training.exports.shards import SPLITS
from training.exports.spec import Spec

COLUMNS = (
    ("prompt, chosen, rejected", "chat messages; what TRL's RewardTrainer reads, with `margin`"),
    ("margin, weight, soft_preference", "for the loss: margin ≥ 0, weight ≥ 0, P(chosen preferred)"),
    ("intensity, agreement, n_ratings", "mean intensity of the verdict, share that gave it, ratings that count"),
    ("group", "the ranking the pair came from; its pairs are one example. Null for a plain comparison"),
    ("is_hard", "agreement is below the floor; kept with less weight"),
    ("axis, safety_bucket, language, tags, cluster, batch", "what was judged, and where it belongs"),
    ("chosen_source, rejected_source, …_kind, …_chars", "who wrote the two, and how long they are"),
    (
        "labellers, sides, firsts",
        "each rating: pseudonym, +1 for chosen, −1 for rejected, 0 for a tie; who stood first",
    ),
    ("comparison_id, rating_ids, guideline_versions, prompt_digest, split", "lineage"),
)

ORIGIN = (("origin", "who said which is better: human or ai"),)


def dataset_card(comparison_set: ComparisonSet, manifest: dict[str, Any], *, n_ratings: int, n_labellers: int) -> str:
    """Markdown with the front matter by which `load_dataset(directory)` finds the splits."""
    held = [split for split in SPLITS if manifest["counts"][split]]
    files = "".join(f"  - split: {split}\n    path: {split}-*.parquet\n" for split in held)
    default = Spec().to_dict()
    chosen = [f"- `{name}`: {value}" for name, value in manifest["spec"].items() if value != default[name]]
    counts = ", ".join(f"{manifest['counts'][split]:,} {split}" for split in SPLITS)
    ai = ""
    if "ai" in manifest:
        by = "; ".join(f"{one['judge']} by {one['constitution']} v{one['version']}" for one in manifest["ai"]["judges"])
        ai = (
            f"{manifest['ai']['comparisons']:,} of them, all to train on, are AI ratings that no person made (`origin` "
            f'is "ai"): {by or "none"}. '
        )
    described = (*COLUMNS, *(ORIGIN if "ai" in manifest else ()))
    columns = "".join(f"| {names} | {meaning} |\n" for names, meaning in described)
    return (
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\n"
        f"# Comparison set {comparison_set.number} of {comparison_set.project.name}\n\n"
        f"{sum(manifest['counts'].values()):,} comparisons of the axis {manifest['axis']} ({counts}) by "
        f"{n_labellers:,} labellers in {n_ratings:,} ratings. {ai}"
        "Splits go by the prompt alone, so no prompt is on two sides, and the held-out tenth of every batch stays held "
        "out in every later set.\n\n"
        f"## Spec\n\n{chr(10).join(chosen) or 'The default.'}\n\n"
        f"## Columns\n\n| columns | meaning |\n|---|---|\n{columns}\n"
        f"Digest {manifest['digest']}, written by code {manifest['code_version']}. The same ratings and spec give the "
        "same bytes.\n"
    )
