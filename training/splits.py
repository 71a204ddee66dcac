"""Which split a prompt is on: the same for every comparison set, and for whoever must not touch what is held out."""

from django.db.models import Func, IntegerField

# The last digits of a digest that are trained on; 8 is validation, 9 test.
N_TRAIN_TENTHS = 8


def split_of(prompt_digest: str) -> str:
    """train (80 %), validation (10 %) or test (10 %) by the prompt's SHA-256 alone.

    So no prompt is on two sides, and a prompt stays on its side in every set of every project, for ever.
    """
    tenth = int(prompt_digest[:8], 16) % 10
    return "test" if tenth == 9 else "validation" if tenth == 8 else "train"


class DigestTenth(Func):
    """`split_of` in SQL: the first 32 bits of a hexadecimal digest modulo 10."""

    template = "MOD(('x' || substr(%(expressions)s, 1, 8))::bit(32)::bigint, 10)"
    output_field = IntegerField()
