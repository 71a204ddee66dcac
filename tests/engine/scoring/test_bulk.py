"""Bulk scoring by the real scorer: what comes out is what went in, with the model's own rewards, and nothing twice."""

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotate.common.processes import wait_until
from tests.engine.conftest import real_comparisons
from tests.environment import REPOSITORY
from training.engine.common.errors import EngineError
from training.engine.reward.model import RewardModel
from training.engine.scoring import bulk
from training.engine.scoring.bulk_input import REJECTED, Plan, files_of, make_plan
from training.engine.scoring.client import ItemScores, ScorerClient


@pytest.fixture
def ask(scorer):
    with ScorerClient(scorer.url, timeout_s=60, client_id="bulk") as client:
        yield lambda items: client.score("helpfulness@1", items).items


def real_rows(n: int) -> list[dict[str, Any]]:
    return [
        {"prompt": one["prompt"], "completions": [side["text"] for side in one["completions"]], "number": number}
        for number, one in enumerate(real_comparisons("pandalm")[:n])
    ]


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def score(url: object, directory: Path, ask: bulk.Ask, rows_per_shard: int = 50, **hooks: Any) -> dict[str, Any]:
    """The manifest of the whole input, scored into a directory."""
    output = bulk.Output(str(directory))
    kept = output.read_json(bulk.PLAN)
    plan = Plan.from_json(kept) if kept else make_plan(str(url), rows_per_shard)
    output.write_json(bulk.PLAN, plan.to_json())
    counts = bulk.score_shards(plan, output, ask, model="helpfulness", version=1, **hooks)
    return bulk.write_manifest(plan, output, counts, on_shard=lambda _: None)


def scored(directory: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(directory.glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


def rejected(directory: Path) -> list[tuple[str, int, str]]:
    lines = (directory / REJECTED).read_text().splitlines()
    return [(one["file"], one["row"], one["field"]) for one in map(json.loads, lines)]


def by_length(items) -> list[ItemScores]:
    """A reward that needs no scorer, for tests of files alone: the completion's length."""
    return [
        ItemScores([float(len(text)) for text in texts], [1] * len(texts), [False] * len(texts)) for _, texts in items
    ]


# --- with the scorer ---
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet"])
def test_each_row_gets_the_models_own_rewards_and_keeps_its_columns(tmp_path, ask, trained_model, kind):
    rows = real_rows(120)
    path = tmp_path / f"in.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=37)
    else:
        write_jsonl(path, rows)
    manifest = score(path, tmp_path / "out", ask)
    found = scored(tmp_path / "out")
    assert [(row["number"], row["prompt"], row["completions"]) for row in found] == [
        (row["number"], row["prompt"], row["completions"]) for row in rows
    ]
    model = RewardModel.load(trained_model)
    expected = [
        model.score_detailed([(row["prompt"], text) for text in row["completions"]]) for row in (rows[0], rows[-1])
    ]
    for row, own in zip((found[0], found[-1]), expected, strict=True):
        assert row["rewards"] == pytest.approx([one.reward for one in own], abs=1e-4)
        assert row["n_tokens"] == [one.n_tokens for one in own]
        assert row["truncated"] == [one.is_truncated for one in own]
    assert {(row["model"], row["version"]) for row in found} == {("helpfulness", 1)}
    assert [shard["rows"] for shard in manifest["shards"]] == [50, 50, 20]
    assert manifest["counts"]["completions"] == 240
    for shard in manifest["shards"]:
        assert bulk.Output(str(tmp_path / "out")).digest(shard["path"]) == (shard["sha256"], shard["bytes"])


def test_what_the_scorer_is_down_for_is_asked_again_and_nothing_is_there_twice(tmp_path, scorer, trained_model):
    """The scorer is killed in the middle; the client's retries reach the next one."""
    rows = real_rows(300)
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    n_asked = 0

    def killed_once(items):
        nonlocal n_asked
        n_asked += 1
        if n_asked == 3:
            threading.Thread(target=again).start()
        return client.score("helpfulness@1", items).items

    def again() -> None:
        scorer.process.kill()
        scorer.process.wait()
        scorer.start()

    with ScorerClient(scorer.url, timeout_s=60, n_retries=12) as client:
        patient = bulk_patience(killed_once)
        manifest = score(path, tmp_path / "out", patient)
    assert manifest["counts"]["scored"] == 300
    assert [row["number"] for row in scored(tmp_path / "out")] == list(range(300))


def bulk_patience(ask):
    """As the job does it: a scorer that has just started knows no model yet."""
    from training.engine.scoring.client import ScorerUnavailable

    def patient(items):
        found: list[Any] = []

        def is_answered() -> bool:
            try:
                found.extend(ask(items))
            except ScorerUnavailable:
                return False
            return True

        assert wait_until(is_answered, 60, 0.2)
        return found

    return patient


# --- files alone ---
class Stopped(Exception):
    pass


def test_a_run_that_was_cut_short_goes_on_and_gives_the_same_files(tmp_path):
    rows = real_rows(230)
    source = tmp_path / "in"
    source.mkdir()
    write_jsonl(source / "a.jsonl", ["", *rows[:90], "", "nonsense"])
    write_jsonl(source / "b.jsonl.gz", rows[90:170])
    pq.write_table(pa.Table.from_pylist(rows[170:]), source / "c.parquet", row_group_size=7)
    whole = score(source, tmp_path / "whole", by_length, 20)

    def stop_in_the_fifth(n_rows: int) -> None:
        if n_rows > 4 * 20:
            raise Stopped

    for hooks in ({"on_rows": stop_in_the_fifth}, {"on_shard": lambda shard: stop_in_the_fifth(20 * shard)}):
        with pytest.raises(Stopped):
            score(source, tmp_path / "parts", by_length, 20, **hooks)
    assert not list((tmp_path / "parts").glob(".*")), "what was half written is gone"
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("part-*")}
    assert set(before) == {bulk.shard_name(number) for number in range(6)}
    assert score(source, tmp_path / "parts", by_length, 20) == whole
    assert all((tmp_path / "parts" / name).stat().st_mtime_ns == at for name, at in before.items())
    assert [row["number"] for row in scored(tmp_path / "parts")] == list(range(230))
    assert rejected(tmp_path / "parts") == [("a.jsonl", 93, "")]


def test_a_bad_row_is_named_and_the_others_are_scored(tmp_path):
    good = {"prompt": "Name a colour.", "completion": "Blue."}
    bad: list[tuple[Any, str]] = [
        ("{", ""),
        ("[1]", ""),
        ({"completion": "Blue."}, "prompt"),
        ({"prompt": 5, "completion": "Blue."}, "prompt"),
        ({"prompt": [{"role": "user"}], "completion": "Blue."}, "prompt[0].content"),
        ({"prompt": "x"}, "completions"),
        ({"prompt": "x", "completions": []}, "completions"),
        ({"prompt": "x", "completions": ["a", ""]}, "completions[1]"),
        ({"prompt": "x", "completions": ["a", None]}, "completions[1]"),
        ({"prompt": "x", "chosen": "a"}, "rejected"),
        ('{"prompt": "x", "completion": "\\ud800"}', "completion"),
        ('{"prompt": "x", "completion": "y", "note": "cut \\ud83d"}', ""),
    ]
    path = write_jsonl(tmp_path / "in.jsonl", [good, *(row for row, _ in bad), good])
    with path.open("ab") as file:
        file.write(b'{"prompt": "x", "completion": "\xff"}\n')
    manifest = score(path, tmp_path / "out", by_length)
    expected = [("in.jsonl", line, field) for line, (_, field) in enumerate(bad, start=2)]
    assert rejected(tmp_path / "out") == [*expected, ("in.jsonl", len(bad) + 3, "")]
    assert manifest["counts"] == {"rows": 15, "scored": 2, "rejected": 13, "completions": 2, "truncated": 0}
    assert [row["rewards"] for row in scored(tmp_path / "out")] == [[5.0], [5.0]]


def test_every_shape_of_a_row_is_taken(tmp_path):
    said = [{"role": "assistant", "content": "Blue."}]
    rows = [
        {"messages": [{"role": "user", "content": "A colour?"}], "completions": ["Blue.", said]},
        {"prompt": "A colour?", "completion": said},
        {"prompt": [{"role": "user", "content": "A colour?"}], "chosen": said, "rejected": "No."},
    ]
    score(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out", by_length)
    assert [row["rewards"] for row in scored(tmp_path / "out")] == [[5.0, 5.0], [5.0], [5.0, 3.0]]
    # Completions of no common type are kept as JSON.
    assert json.loads(scored(tmp_path / "out")[0]["completions"]) == ["Blue.", said]


def test_columns_that_change_their_type_late_are_kept(tmp_path):
    rows = [{"prompt": "x", "completion": "y", "id": n, "score": n, "extra": {}} for n in range(2500)]
    rows[2400] |= {"id": "late", "score": 0.5, "new": [1, 2]}
    rows[0] |= {"parts": [{"x": 0.5}]}
    rows[2401] |= {"parts": [{"x": 2**53 + 1}]}
    score(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out", by_length, 1000)
    found = scored(tmp_path / "out")
    assert (found[0]["id"], found[2400]["id"], found[2400]["score"], found[0]["score"]) == ("0", '"late"', 0.5, 0.0)
    assert (found[0]["new"], found[2400]["new"], found[0]["extra"]) == (None, [1, 2], "{}")
    assert found[2401]["parts"] == [{"x": float(2**53 + 1)}], "which a float holds only nearly"
    schemas = {pq.read_schema(path).remove_metadata() for path in (tmp_path / "out").glob("part-*")}
    assert len(schemas) == 1, "shards of one input can be read together"


def test_scores_of_before_are_replaced(tmp_path):
    rows = [{"prompt": "x", "completion": "yy", "rewards": [9.0], "version": 7}]
    manifest = score(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out", by_length)
    assert manifest["replaced_columns"] == ["rewards", "version"]
    assert [(row["rewards"], row["version"]) for row in scored(tmp_path / "out")] == [([2.0], 1)]


def test_a_glob_takes_what_it_names(tmp_path):
    for name in ("a-1.jsonl", "a-2.jsonl", "b.jsonl", "_hidden.jsonl", "notes.txt"):
        write_jsonl(tmp_path / name, [{"prompt": "x", "completion": name}])
    assert [file.name for file in files_of(f"{tmp_path}/a-*")[1]] == ["a-1.jsonl", "a-2.jsonl"]
    assert [file.name for file in files_of(f"file://{tmp_path}")[1]] == ["a-1.jsonl", "a-2.jsonl", "b.jsonl"]
    for url, code in (("nowhere.jsonl", "input_not_found"), ("notes.txt", "unknown_file_kind")):
        with pytest.raises(EngineError) as refusal:
            files_of(f"{tmp_path}/{url}")
        assert refusal.value.code == code


def test_files_that_changed_meanwhile_are_not_mixed_with_those_of_before(tmp_path):
    path = write_jsonl(tmp_path / "in.jsonl", real_rows(60))

    def stop(shard: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        score(path, tmp_path / "out", by_length, 20, on_shard=stop)
    write_jsonl(path, real_rows(61))
    with pytest.raises(EngineError, match="has changed since this job began"):
        score(path, tmp_path / "out", by_length, 20)


@pytest.mark.parametrize("name", ["in.parquet", "in.jsonl.gz"])
def test_a_file_that_is_none_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1 but nothing else of it")
    with pytest.raises(EngineError, match=f"{name} cannot be read") as refusal:
        make_plan(str(tmp_path / name))
    assert refusal.value.code == "unreadable_file"


def test_a_filesystem_that_is_not_the_local_one_does_as_well(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bulk/in.jsonl", b'{"prompt": "x", "completion": "yy"}\n' * 30)
    output = bulk.Output("memory://bulk/out")
    plan = make_plan("memory://bulk/in.jsonl", 10)
    counts = bulk.score_shards(plan, output, by_length, model="m", version=1)
    manifest = bulk.write_manifest(plan, output, counts, on_shard=lambda _: None)
    assert [shard["rows"] for shard in manifest["shards"]] == [10, 10, 10]
    assert bulk.score_shards(plan, output, refuse, model="m", version=1) == counts


def refuse(items):
    raise AssertionError("nothing was left to be scored")


MEASURED = """
import re, sys
from pathlib import Path
from training.engine.scoring import bulk
from training.engine.scoring.bulk_input import make_plan
from training.engine.scoring.client import ItemScores

def ask(items):
    return [ItemScores([0.0] * len(texts), [1] * len(texts), [False] * len(texts)) for _, texts in items]

plan = make_plan(sys.argv[1])
bulk.score_shards(plan, bulk.Output(sys.argv[2]), ask, model="m", version=1)
assert "torch" not in sys.modules and "django" not in sys.modules
# Not getrusage, whose peak counts what the process was before its program was loaded.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def peak_mib(source: Path, out: Path) -> float:
    """Peak memory of a process that scores the file."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(source), str(out)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    """31 times as many rows, 300 MB more: it would show. What Arrow holds in reserve differs by some 80 MB from run to
    run."""
    peaks = []
    for n in (1_000, 31_000):
        path = tmp_path / f"{n}.{kind}"
        if kind == "jsonl":
            with path.open("w") as file:
                file.writelines(json.dumps(row) + "\n" for row in large_rows(n))
        else:
            with pq.ParquetWriter(path, pa.Table.from_pylist([next(large_rows(1))]).schema) as writer:
                for start in range(0, n, 1_000):
                    rows = [row | {"id": start + row["id"]} for row in large_rows(1_000)]
                    writer.write_table(pa.Table.from_pylist(rows))
        peaks.append(peak_mib(path, tmp_path / f"out-{n}"))
    print(peaks)
    assert peaks[1] < peaks[0] + 150, peaks


def large_rows(n: int) -> Iterator[dict[str, Any]]:
    for number in range(n):
        text = f"{number} of many words " * 250  # 5 kB, and two of them
        yield {"prompt": "Say much.", "completions": [text, text.upper()], "id": number}
