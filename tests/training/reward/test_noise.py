"""Label noise: what cross-fitted models contradict goes to the reviewers."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotate.agreement.models import CrossFittedOpinion
from annotate.agreement.opinions import record_cross_fitted
from training.reward import noise
from training.reward.noise import read_strengths


@pytest.fixture
def written(tmp_path):
    """Write a comparison set (id, chosen_is_a, soft_preference) in two shards, and strengths (id, p_chosen)."""

    def write(rows: list[tuple[int, bool, float]], strengths: list[tuple[int, float]]):
        shards = []
        for number, part in enumerate((rows[:2], rows[2:])):
            ids, is_a, preference = zip(*part, strict=True)
            table = {"comparison_id": ids, "chosen_is_a": is_a, "soft_preference": pa.array(preference, pa.float32())}
            shards.append({"path": f"{number}.parquet"})
            pq.write_table(
                pa.table({name: pa.array(column) for name, column in table.items()}), tmp_path / f"{number}.parquet"
            )
        ids, p = zip(*strengths, strict=True)
        gap = [float(np.log(one / (1 - one))) for one in p]
        columns = {
            "comparison_id": ids,
            "fold": [0] * len(ids),
            "strength": gap,
            "std": [0.5] * len(ids),
            "p_chosen": p,
        }
        pq.write_table(pa.table(columns), tmp_path / "strengths.parquet")
        return read_strengths(tmp_path / "strengths.parquet", tmp_path, {"shards": shards})

    return write


def test_the_most_contradicted_labels_come_first(written):
    """3 most, then 7; 5 only a little. Of a tie (9) and of a reversed verdict (4) the chosen side is not the label."""
    judged = written(
        [(7, True, 1.0), (3, False, 0.9), (5, True, 1.0), (9, True, 0.5), (4, False, 0.2)],
        [(3, 0.1), (4, 0.1), (5, 0.45), (7, 0.3), (9, 0.05)],
    )
    assert [one["comparison_id"] for one in judged.suspicious()] == [3, 7]
    assert judged.n_suspicious == 2
    first = judged.suspicious()[0]
    assert (first["p_chosen"], first["strength"], first["std"]) == (0.1, pytest.approx(-2.1972, abs=1e-4), 0.5)


def test_opinions_are_of_a_whichever_side_was_chosen(written):
    judged = written([(7, True, 1.0), (3, False, 1.0), (5, True, 1.0)], [(3, 0.1), (7, 0.3), (5, 0.8)])
    told = {one.comparison_id: one for one in judged.opinions()}
    assert [round(told[pk].p_a, 6) for pk in (3, 5, 7)] == [0.9, 0.8, 0.3]
    assert told[3].strength == pytest.approx(np.log(9))
    assert [told[pk].rank for pk in (3, 5, 7)] == [1, None, 2]


def test_reviewers_get_no_more_than_they_can_look_at(written, monkeypatch):
    monkeypatch.setattr(noise, "MOST_SUSPICIOUS", 1)
    judged = written([(1, True, 1.0), (2, True, 1.0), (3, True, 1.0)], [(1, 0.2), (2, 0.1), (3, 0.3)])
    assert ([one["comparison_id"] for one in judged.suspicious()], judged.n_suspicious) == ([2], 3)


def test_comparisons_that_are_gone_or_not_judged_are_left_out(cast, comparisons, written):
    (known,) = comparisons(1)
    gone = known.pk + 1
    judged = written([(known.pk, True, 1.0), (gone, True, 1.0), (gone + 1, True, 1.0)], [(known.pk, 0.2), (gone, 0.2)])
    assert record_cross_fitted(project=cast.project, comparison_set=1, opinions=judged.opinions()) == 1
    assert CrossFittedOpinion.objects.get().comparison == known
