"""Agreement statistics: pure functions on arrays, no Django.

Ratings come in long form, one entry a rating: `units` (n,) says which comparison, `labellers` (n,) who, `values` (n,)
what. Units and labellers are any integers (database ids will do); nothing needs to be sorted. A missing rating is one
that is not there. A labeller counts once per unit: superseded ratings and repeats are left out by the caller.

Values are numbers. Where sides are meant they are signed: 1 for a, −1 for b, 0 for a tie, and a signed intensity is
the side times the intensity. Which completion is called a is an accident of import, and α depends on it, so
`randomise_orientation` comes first for whatever is computed on signed values.

Every statistic is a `Stat` with a percentile bootstrap over units (Efron 1979): units are drawn with replacement. Units
with the same counts of values are exchangeable, so a draw is one multinomial vector over the distinct patterns, which
makes a thousand resamples of a million ratings cheap and changes nothing in the distribution.
"""

from annotate.agreement.metrics.agreement import (
    Buckets,
    KappaMatrix,
    Level,
    Weights,
    cohen_kappa,
    disagreement,
    fleiss_kappa,
    kappa_matrix,
    krippendorff_alpha,
    paired_values,
    percent_agreement,
)
from annotate.agreement.metrics.columns import Ratings
from annotate.agreement.metrics.findings import Finding, Floors, findings
from annotate.agreement.metrics.labellers import (
    Figures,
    first_side_share,
    labeller_figures,
    leave_one_out_agreement,
)
from annotate.agreement.metrics.reliability import (
    DEFAULT_MODEL,
    MODELS,
    Answers,
    Compared,
    Fit,
    answers,
    compare_models,
    dawid_skene,
    fit_of,
    graded,
    held_out_log_likelihood,
    mace,
    one_coin,
)
from annotate.agreement.metrics.slices import (
    Change,
    Slice,
    agreement_of_ratings,
    by_rating_group,
    by_unit_group,
    changes,
)
from annotate.agreement.metrics.stat import (
    CONFIDENCE,
    MIN_UNITS,
    N_RESAMPLES,
    Stat,
    randomise_orientation,
    value_counts,
    wilson_interval,
)
from annotate.agreement.metrics.worth import worth

__all__ = [
    "CONFIDENCE",
    "DEFAULT_MODEL",
    "MIN_UNITS",
    "MODELS",
    "N_RESAMPLES",
    "Answers",
    "Buckets",
    "Change",
    "Compared",
    "Figures",
    "Finding",
    "Fit",
    "Floors",
    "KappaMatrix",
    "Level",
    "Ratings",
    "Slice",
    "Stat",
    "Weights",
    "agreement_of_ratings",
    "answers",
    "by_rating_group",
    "by_unit_group",
    "changes",
    "cohen_kappa",
    "compare_models",
    "dawid_skene",
    "disagreement",
    "findings",
    "first_side_share",
    "fit_of",
    "fleiss_kappa",
    "graded",
    "held_out_log_likelihood",
    "kappa_matrix",
    "krippendorff_alpha",
    "labeller_figures",
    "leave_one_out_agreement",
    "mace",
    "one_coin",
    "paired_values",
    "percent_agreement",
    "randomise_orientation",
    "value_counts",
    "wilson_interval",
    "worth",
]
