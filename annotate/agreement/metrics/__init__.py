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
    Level,
    Weights,
    cohen_kappa,
    disagreement,
    fleiss_kappa,
    krippendorff_alpha,
    paired_values,
    percent_agreement,
)
from annotate.agreement.metrics.labellers import first_side_share, leave_one_out_agreement
from annotate.agreement.metrics.reliability import one_coin
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

__all__ = [
    "CONFIDENCE",
    "MIN_UNITS",
    "N_RESAMPLES",
    "Buckets",
    "Change",
    "Level",
    "Slice",
    "Stat",
    "Weights",
    "agreement_of_ratings",
    "by_rating_group",
    "by_unit_group",
    "changes",
    "cohen_kappa",
    "disagreement",
    "first_side_share",
    "fleiss_kappa",
    "krippendorff_alpha",
    "leave_one_out_agreement",
    "one_coin",
    "paired_values",
    "percent_agreement",
    "randomise_orientation",
    "value_counts",
    "wilson_interval",
]
