"""Which comparisons are worth a reviewer's time."""

import numpy as np
from numpy.typing import ArrayLike

from annotate.agreement.metrics.stat import Floats

# Beyond this probability of a, or below one minus it, a reward model counts as confident; between 0.4 and 0.6 as
# undecided.
CONFIDENT = 0.85
UNDECIDED = (0.4, 0.6)
# The leading answer's posterior from which labellers count as agreeing, and below which they are split.
AGREED = 0.85
SPLIT = 0.75

REASONS = (
    "flagged",
    "split",
    "probably_mislabelled",
    "model_against",
    "judge_against",
    "model_sure",
    "model_unsure",
)


def worth(
    p: ArrayLike,
    n_ratings: ArrayLike,
    n_dissenting: ArrayLike,
    n_flags: ArrayLike,
    model_p_a: ArrayLike,
    doubting_p_a: ArrayLike | None = None,
    judge_p_a: ArrayLike | None = None,
) -> tuple[Floats, list[list[str]]]:
    """How much a reviewer's verdict on each comparison is worth (U,), 0 for nothing, and the reasons for it.

    p: (U, 3) posterior of a, b and a tie. n_ratings: (U,). n_dissenting: (U,) ratings that are not of the most frequent
    answer. n_flags: (U,). model_p_a: (U,) the reward model's probability that a is better, nan where there is none.
    doubting_p_a: (U,) the same by models that did not learn from the comparison, of those among the most suspicious of
    their comparison set, nan elsewhere; None: of no comparison. judge_p_a: (U,) the same by an AI labeller where it is
    sure and against, nan elsewhere; None: nowhere.

        worth = 1.5 · [flagged] + entropy(p) / log 3 + dissent / ratings + |p_a' − model_p_a| · sure + ½ · [undecided]
              + |p_a' − doubting_p_a| · [mislabelled] + |p_a' − judge_p_a| · [judge against]

    Entropy is high where the labellers leave the answer open, the share of dissent where they clash, whatever their
    weights. The model counts by how far it is from the labellers' preference p_a' = p_a + ½ p_tie, times how sure the
    surer of the two is (|2q − 1| of q = p_a' or model_p_a), so that two shrugs are worth nothing. A flag outweighs any
    one of the rest: somebody asked for help. Comparisons without a rating are worth nothing but their flags.

    Reasons, as far as they hold: flagged; split (the leading answer's posterior is below 0.75, or at least two in five
    dissent); probably_mislabelled (the labellers name a side, the doubting models the other: Wang et al. 2024 find most
    wrong labels so; once the ratings have moved over, the doubt is gone); model_against (the labellers agree on a side
    and the model is confident of the other); judge_against (the same of an AI labeller);
    model_sure (the labellers are split, the model is confident); model_unsure (the labellers agree on a side, the model
    is undecided).
    """
    posterior = np.asarray(p, dtype=np.float64).reshape(-1, 3)
    ratings, dissenting = np.asarray(n_ratings, dtype=np.float64), np.asarray(n_dissenting, dtype=np.float64)
    model = np.asarray(model_p_a, dtype=np.float64)
    is_flagged = np.asarray(n_flags) > 0
    is_rated, has_model = ratings > 0, ~np.isnan(model)
    model = np.where(has_model, model, 0.5)

    entropy = -(posterior * np.log(np.maximum(posterior, 1e-12))).sum(axis=1) / np.log(3)
    dissent = np.divide(dissenting, ratings, out=np.zeros_like(ratings), where=is_rated)
    side = posterior[:, 0] + posterior[:, 2] / 2
    leading = posterior.max(axis=1)
    names_side = posterior[:, 2] < leading
    is_agreed = is_rated & (leading >= AGREED) & (dissent < 0.4)
    is_split = is_rated & ((leading < SPLIT) | (dissent >= 0.4)) & (ratings > 1)
    is_confident = has_model & (np.maximum(model, 1 - model) >= CONFIDENT)
    is_undecided = has_model & (model >= UNDECIDED[0]) & (model <= UNDECIDED[1])
    is_against = is_confident & is_agreed & names_side & ((model > 0.5) != (side > 0.5))
    is_unsure = is_undecided & is_agreed & names_side
    doubting = np.full_like(model, np.nan) if doubting_p_a is None else np.asarray(doubting_p_a, dtype=np.float64)
    is_doubted = is_rated & names_side & ~np.isnan(doubting) & ((doubting > 0.5) != (side > 0.5))
    judge = np.full_like(model, np.nan) if judge_p_a is None else np.asarray(judge_p_a, dtype=np.float64)
    judges = np.where(np.isnan(judge), 0.5, judge)
    is_judged = (
        is_agreed & names_side & (np.maximum(judges, 1 - judges) >= CONFIDENT) & ((judges > 0.5) != (side > 0.5))
    )

    sure = np.maximum(np.abs(2 * side - 1), np.abs(2 * model - 1))
    apart = np.where(has_model, np.abs(side - model) * sure, 0.0)
    doubt = np.where(is_doubted, np.abs(side - np.where(is_doubted, doubting, 0.0)), 0.0)
    judged = np.where(is_judged, np.abs(side - judges), 0.0)
    found = 1.5 * is_flagged + np.where(is_rated, entropy + dissent + apart + 0.5 * is_unsure + doubt + judged, 0.0)
    holds = np.stack(
        [is_flagged, is_split, is_doubted, is_against, is_judged, is_split & is_confident, is_unsure], axis=1
    )
    return np.asarray(found, dtype=np.float64), [[REASONS[at] for at in np.flatnonzero(row)] for row in holds]
