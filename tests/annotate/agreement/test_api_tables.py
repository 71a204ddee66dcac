"""Tables as CSV: what the pages say, without a name of anybody, and nothing that a spreadsheet would run."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot, ComparisonAnswer
from annotate.agreement.tables import TABLES, _cell
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt, WorkedExample
from annotate.projects.models import AuditEvent, Membership
from annotate.projects.services import pause_member
from annotate.ratings.models import FlagKind, Rating
from annotate.ratings.services import flag
from tests.annotate.agreement.conftest import P, Worked


def download(worked: Worked, name: str, **query: Any) -> list[dict[str, str]]:
    answer = worked.cast.client(worked.cast.reviewer).get(f"{P}/tables/{name}.csv", query)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="helpfulness-{name}.csv"' in answer["Content-Disposition"]
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]  # it is a StreamingHttpResponse
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture
def everything(worked: Worked) -> Worked:
    """Guidelines, flags and events as well, so that no table is empty."""
    cast = worked.cast
    for number, user in enumerate((cast.labeller, cast.second_labeller, worked.third, cast.reviewer)):
        user.name = f"Ada Lovelace {number}"
        user.save()
    version = GuidelineVersion.objects.create(project=cast.project, number=1, body="# Truth\n\nPrefer true answers.")
    WorkedExample.objects.create(
        version=version,
        position=1,
        prompt="p",
        completion_a="a",
        completion_b="b",
        preferred="a",
        intensity=1,
        rationale="r",
    )
    QualificationAttempt.objects.create(labeller=worked.third, version=version, passed=True)
    rating = Rating.objects.filter(labeller=cast.labeller).first()
    assert rating is not None
    seat = cast.seat(cast.labeller)
    flag(seat=seat, assignment_id=rating.assignment_id, kind=FlagKind.OTHER, note="=HYPERLINK(x)")
    member = Membership.objects.get(user=worked.third, project=cast.project)
    pause_member(membership=member, actor=cast.reviewer, reason="Too fast.")
    worked.refresh()
    return worked


@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"models"}))
def test_every_table_has_rows_and_names_nobody(everything: Worked, name: str) -> None:
    about = {"labeller": everything.third.pk} if name.startswith("labeller-") else {}
    rows = download(everything, name, **about)
    assert rows, "the fixture fills every table"
    text = str(rows)
    for user in (everything.cast.labeller, everything.cast.second_labeller, everything.third, everything.cast.reviewer):
        assert user.name not in text
        assert str(user.email) not in text
    assert "@" not in text


def test_a_download_is_in_the_audit(worked: Worked) -> None:
    download(worked, "ratings", labeller=worked.third.pk)
    event = AuditEvent.objects.get(action="table.downloaded")
    assert (event.actor, event.target_id) == (worked.cast.reviewer, "ratings")
    assert event.details["query"] == f"labeller={worked.third.pk}"


def test_ratings_take_the_filters_of_their_list(worked: Worked) -> None:
    rows = download(worked, "ratings", labeller=worked.third.pk, agreement="majority")
    assert {row["labeller"] for row in rows} == {worked.third.pseudonym}
    assert len(rows) == 15
    answer = worked.cast.client(worked.cast.reviewer).get(f"{P}/tables/ratings.csv?length=enormous")
    assert answer.status_code == 400
    assert AuditEvent.objects.filter(action="table.downloaded").count() == 1, "nothing was downloaded then"


def test_labellers_are_those_of_the_page(worked: Worked) -> None:
    rows = {row["labeller"]: row for row in download(worked, "labellers")}
    shown = {row["pseudonym"]: row for row in worked.get("labellers")["results"]}
    assert rows.keys() == shown.keys()
    for pseudonym, row in rows.items():
        assert float(row["with_others"]) == shown[pseudonym]["with_others"]["value"]


def test_pairs_are_one_row_each(worked: Worked) -> None:
    rows = download(worked, "pairs")
    assert len(rows) == 3
    assert {row["comparisons"] for row in rows} == {"30"}


def test_the_timesheet_adds_up(worked: Worked) -> None:
    project = worked.cast.project
    project.pay_per_hour, project.currency = Decimal("18.00"), "EUR"
    project.save()
    today = timezone.now().date()
    rows = {row["labeller"]: row for row in download(worked, "timesheet")}
    own = rows[worked.cast.labeller.pseudonym]
    assert own["week"] == (today - timedelta(days=today.weekday())).isoformat()
    assert (own["kind"], own["ratings"], own["median_seconds"], own["cost_eur"]) == ("person", "30", "20.0", "3.00")
    assert float(own["active_hours"]) == pytest.approx(30 * 20 / 3600, abs=1e-4)
    untimed = rows[worked.third.pseudonym]
    assert (untimed["ratings"], untimed["median_seconds"], untimed["cost_eur"]) == ("30", "", "0.00")
    yesterday = (today - timedelta(days=1)).isoformat()
    assert download(worked, "timesheet", to=yesterday) == []
    assert len(download(worked, "timesheet", **{"from": today.isoformat(), "to": today.isoformat()})) == 3


def test_the_queue_is_in_its_order(worked: Worked) -> None:
    rows = download(worked, "disagreements")
    assert [row["comparison"] for row in rows] == [
        str(row["comparison"]) for row in worked.get("disagreements", page_size=200)["results"]
    ]
    ComparisonAnswer.objects.update(worth=0)
    assert download(worked, "disagreements") == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"


def test_numbers_and_plain_text_stay() -> None:
    assert [_cell(value) for value in (-1.5, "a = b", None, True)] == [-1.5, "a = b", None, "yes"]


def test_models_of_labellers_are_compared(worked: Worked) -> None:
    assert download(worked, "models") == [], "90 ratings are too few"
    snapshot = AgreementSnapshot.objects.get(project=worked.cast.project)
    row = {"model": "graded", "log_likelihood": -0.5, "accuracy": 0.8}
    snapshot.statistics["models"] = {"chosen": "graded", "n_ratings": 900, "n_held_out": 890, "rows": [row]}
    snapshot.save()
    (shown,) = download(worked, "models")
    assert (shown["model"], shown["is_chosen"], shown["n_held_out"]) == ("graded", "yes", "890")


def test_a_labellers_tables_are_about_one_who_is_there(worked: Worked) -> None:
    rows = download(worked, "labeller-disagreements", labeller=worked.third.pk)
    shown = worked.get(f"labellers/{worked.third.pk}/disagreements", page_size=200)["results"]
    assert [row["comparison"] for row in rows] == [str(row["comparison"]) for row in shown]
    client = worked.cast.client(worked.cast.reviewer)
    assert client.get(f"{P}/tables/labeller-weeks.csv").status_code == 400
    assert client.get(f"{P}/tables/labeller-weeks.csv?labeller={worked.cast.outsider.pk}").status_code == 404


def test_an_unknown_table_is_not_found(worked: Worked) -> None:
    assert worked.cast.client(worked.cast.reviewer).get(f"{P}/tables/secrets.csv").status_code == 404
    answer = worked.cast.client(worked.cast.labeller).get(f"{P}/tables/ratings.csv")
    assert answer.status_code == 403
