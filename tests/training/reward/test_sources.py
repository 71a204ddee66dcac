"""Whose ratings a set holds is counted from its own files, also of those written before these named labellers."""

import pyarrow as pa
import pyarrow.parquet as pq

from annotate.ratings.models import Rating
from tests.training.ratings import rate
from tests.training.reward.registered import make_set
from training.reward.sources import sources_of


def written(cast, directory, columns: dict[str, list]):
    made = make_set(cast.project)
    pq.write_table(pa.table(columns), directory / "train-00000.parquet")
    made.uri, made.manifest = str(directory), {"shards": [{"path": "train-00000.parquet"}]}
    made.save()
    return made


def test_it_counts_ratings_by_labeller_and_comparisons_by_guidelines(cast, tmp_path):
    columns = {
        "labellers": [["L-B", "L-A"], ["L-B"], []],
        "guideline_versions": [[1, 2], [2], []],
        "rating_ids": [[1, 2], [3], []],
    }
    assert sources_of(written(cast, tmp_path, columns)) == {
        "labellers": {"L-B": 2, "L-A": 1},
        "guideline_versions": {"1": 1, "2": 2},
    }


def test_a_set_that_does_not_name_them_has_them_looked_up(cast, comparisons, tmp_path):
    first, second = comparisons(2)
    rate(first, "a", "b")
    rate(second, "a")
    ids = [list(Rating.objects.filter(comparison=one).values_list("pk", flat=True)) for one in (first, second)]
    found = sources_of(written(cast, tmp_path, {"guideline_versions": [[1], [1]], "rating_ids": ids}))
    by_name = {rating.labeller.pseudonym: rating.labeller.name for rating in Rating.objects.select_related("labeller")}
    assert {by_name[pseudonym]: n for pseudonym, n in found["labellers"].items()} == {"0": 2, "1": 1}
