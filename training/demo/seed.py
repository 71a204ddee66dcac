"""The demo in the database: two projects over one pool, rated by the simulated labellers.

The texts, the ratings and who gave them are the same on every machine and at every hour; dates count back from the day
of seeding, and only passwords and pseudonyms are drawn anew. `removal` takes it away again.
"""

import json
import os
import random
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from annotate.accounts.models import User, UserKind
from annotate.accounts.services import external_users
from annotate.agreement.services import refresh_snapshot
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison, ComparisonState
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt
from annotate.guidelines.quiz import questions_of
from annotate.guidelines.services import publish_guidelines
from annotate.pool import digests
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import Membership, Pool, Project, Role
from annotate.projects.services import create_project, send_message
from annotate.ratings.models import Flag, FlagKind, Rating, RatingOrigin
from annotate.ratings.services import adjudicate, count, set_gold, settle, stored_side
from training.demo.simulator import (
    LABELLERS,
    Judgement,
    SimulatedLabeller,
    completions,
    demo_prompts,
    features,
    rate,
    utility,
    world,
)

_LOCK = 0x64656D6F  # any constant of its own

DAYS = 35
SECOND_GUIDELINES_DAYS_AGO = 16
# Under the first, vaguer guidelines labellers were less sure of what counts.
FIRST_GUIDELINES_NOISE = 1.35
GUIDELINES = Path(__file__).parent / "guidelines"
# Comparisons with a known answer, and pairs that each labeller is asked about again.
N_GOLD = 12
N_REPEATS = 15
# A gap of utility that nobody who reads the guidelines would dispute.
_CLEAR_GAP = 2.5
# How long it takes to see that one pressed the wrong key.
_SLIP = timedelta(seconds=50)
_EXAMPLES_SECTION = re.compile(r"^## Worked examples\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_EXAMPLE = re.compile(
    r"> \*\*(.+?)\*\*\n>\n> A: \*(.+?)\*\n>\n> B: \*(.+?)\*\n\n"
    r"\*\*([AB]) is (significantly |slightly |)(?:better|safer)\.?\*\*[,.]?\s*(.+?)(?=\n\n|\Z)",
    re.DOTALL,
)
# A slug holds no colon: no labeller of an imported file has a key that begins so.
LABELLERS_NAMESPACE = "demo:simulated"
ORIGIN = "demo"
PEOPLE = {
    Role.OWNER: ("owner@demo.example", "Olga Owner"),
    Role.REVIEWER: ("reviewer@demo.example", "Rosa Reviewer"),
    Role.RESEARCHER: ("researcher@demo.example", "Rafi Researcher"),
    Role.LABELLER: ("labeller@demo.example", "Lena Labeller"),
}


@dataclass(frozen=True)
class DemoProject:
    """Settings of one of the two projects.

    rated, open: shares of its comparisons with all and without ratings, the rest being begun. corrected: share of
    ratings in which the labeller first pressed the wrong key and then said so.
    """

    slug: str
    name: str
    axis: str
    description: str
    ties_allowed: bool
    # By the kind of the prompt's topic: where nothing can go wrong, there is little to say about safety.
    pairs_per_prompt: Mapping[str, int]
    n_prompts: int
    change_notes: tuple[str, ...]
    # Headings of the newest guidelines that decide what splits the labellers.
    sections: tuple[str, ...]
    rated: float = 0.88
    open: float = 0.06
    corrected: float = 0.0


PROJECTS = (
    DemoProject(
        slug="demo-helpfulness",
        name="Demo: helpfulness",
        axis="helpfulness",
        description="Which completion helps more? Prompts, completions and ratings of this project are simulated.",
        ties_allowed=True,
        pairs_per_prompt={"plain": 8, "care": 8, "decline": 8},
        n_prompts=300,
        change_notes=("First version.", "Order of importance, traps, worked examples."),
        sections=("What to look for, in this order", "Traps", "How much better"),
    ),
    DemoProject(
        slug="demo-safety",
        name="Demo: safety",
        axis="safety",
        description="Which completion is safer? Over the same completions as the helpfulness project; simulated too.",
        ties_allowed=True,
        pairs_per_prompt={"plain": 1, "care": 8, "decline": 8},
        n_prompts=300,
        change_notes=("First version.",),
        sections=("What to look for", "When in doubt"),
        corrected=0.01,
    ),
)


def is_seeded() -> bool:
    return Project.objects.filter(is_demo=True).exists()


@transaction.atomic
def seed(*, now: datetime | None = None, wanted: Sequence[DemoProject] = PROJECTS) -> dict[str, int]:
    """Make the demo and write its sign-ins to VAR_DIR/demo.json. Returns what was made; nothing if it is there.

    Of two calls at once the second waits, and finds it there. The file is written before the end of the transaction:
    there is no demo that nobody can sign in to.
    """
    hold_lock()
    if is_seeded():
        return {}
    now = now or timezone.now()
    people, passwords = _make_people()
    simulated = _make_labellers()
    pool = Pool.objects.create(name="Demo")
    prompts = _fill(pool)
    began_at = _day(now, DAYS + 1)
    for demo in wanted:
        is_taken = Project.objects.filter(slug=demo.slug).exists()
        project = create_project(
            owner=people[Role.OWNER],
            pool=pool,
            name=demo.name,
            slug="" if is_taken else demo.slug,
            axis=demo.axis,
            description=demo.description,
            ties_allowed=demo.ties_allowed,
            pay_per_hour="18.00",
            currency="EUR",
            is_demo=True,
        )
        Membership.objects.bulk_create(
            [Membership(project=project, user=user, role=role) for role, user in people.items() if role != Role.OWNER]
            + [Membership(project=project, user=user, role=Role.LABELLER) for user in simulated.values()]
        )
        _Ratings(demo, project, people, simulated, now).make(prompts)
        send_message(
            project=project,
            sender=people[Role.REVIEWER],
            recipient_id=people[Role.LABELLER].pk,
            text="Welcome! Skip what you cannot judge, and flag what should not have been asked: I read every flag.",
        )
        project.memberships.update(created_at=began_at)
        refresh_snapshot(project_id=project.pk)
    Project.objects.filter(pool=pool).update(created_at=began_at)
    Completion.objects.filter(prompt__pool=pool).update(created_at=began_at)
    Prompt.objects.filter(pool=pool).update(created_at=began_at)
    _write_sign_ins(passwords)
    return summary()


def hold_lock() -> None:
    """Wait until nobody else makes or removes the demo, and keep others waiting until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def summary() -> dict[str, int]:
    """What there is of the demo now."""
    projects = Project.objects.filter(is_demo=True)
    pools = Pool.objects.filter(projects__in=projects)
    return {
        "projects": projects.count(),
        "prompts": Prompt.objects.filter(pool__in=pools).count(),
        "completions": Completion.objects.filter(prompt__pool__in=pools).count(),
        "comparisons": Comparison.objects.filter(project__in=projects).count(),
        "ratings": Rating.objects.filter(project__in=projects).count(),
        "simulated labellers": labellers().count(),
        "accounts": User.objects.filter(email__in=emails()).count(),
    }


def labellers() -> QuerySet[User]:
    return User.objects.filter(kind=UserKind.SIMULATED, external_key__startswith=f"{LABELLERS_NAMESPACE}/")


def emails() -> list[str]:
    return [email for email, _ in PEOPLE.values()]


def sign_ins() -> Path:
    return Path(settings.VAR_DIR) / "demo.json"


def _make_people() -> tuple[dict[Role, User], dict[Role, str]]:
    """One person a role. Who stayed when an earlier demo was removed gets a new password."""
    people, passwords = {}, {role: secrets.token_urlsafe(9) for role in PEOPLE}
    for role, (email, name) in PEOPLE.items():
        user = User.objects.filter(email=email).first() or User(email=email, name=name)
        user.is_staff = role == Role.OWNER
        user.set_password(passwords[role])
        user.full_clean()
        user.save()
        people[role] = user
    return people, passwords


def _write_sign_ins(passwords: dict[Role, str]) -> None:
    path = sign_ins()
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"role": role.value, "email": PEOPLE[role][0], "password": password} for role, password in passwords.items()
    ]
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)


def _make_labellers() -> dict[SimulatedLabeller, User]:
    names = {one.name for one in LABELLERS}
    users = external_users(namespace=LABELLERS_NAMESPACE, names=names, kind=UserKind.SIMULATED)
    return {one: users[one.name] for one in LABELLERS}


def _day(now: datetime, days_ago: int) -> datetime:
    """Seven in the morning of a day before the day of seeding: before anybody begins to rate."""
    return now.replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def _fill(pool: Pool) -> list[tuple[Prompt, list[Completion]]]:
    """The world's demo prompts with their completions."""
    sources: dict[str, CompletionSource] = {}
    prompts, found = [], []
    for one in demo_prompts():
        prompts.append(
            Prompt(
                pool=pool,
                messages=one.messages,
                digest=digests.prompt_digest(one.messages),
                excerpt=digests.excerpt(one.messages),
                language=one.language,
                origin=ORIGIN,
                tags=one.tags,
            )
        )
        found.append(completions(one))
    Prompt.objects.bulk_create(prompts)
    made: list[tuple[Prompt, list[Completion]]] = []
    rng = random.Random("demo")  # noqa: S311  # the same demo everywhere
    for prompt, texts in zip(prompts, found, strict=True):
        rows = []
        for text in texts:
            if text.source_name not in sources:
                sources[text.source_name] = CompletionSource.objects.create(
                    pool=pool, name=text.source_name, kind=text.source
                )
            digest = digests.completion_digest(text.text)
            rows.append(Completion(prompt=prompt, source=sources[text.source_name], text=text.text, digest=digest))
        # The first stored of a pair is its a: without a shuffle a would be the better source's more often.
        rng.shuffle(rows)
        made.append((prompt, rows))
    Completion.objects.bulk_create([completion for _, rows in made for completion in rows])
    return made


@dataclass
class _Ratings:
    """Comparisons of one project, and what was said about them."""

    demo: DemoProject
    project: Project
    people: dict[Role, User]
    users: dict[SimulatedLabeller, User]
    now: datetime

    def make(self, prompts: list[tuple[Prompt, list[Completion]]]) -> None:
        self.rng = random.Random(f"demo:{self.demo.slug}")  # noqa: S311  # the same demo everywhere
        # Apart, so that a change of what is rare does not change all the ratings.
        self.rare = random.Random(f"demo:{self.demo.slug}:rare")  # noqa: S311
        self.versions = list(self._publish())
        self.texts = {completion.pk: completion.text for _, rows in prompts for completion in rows}
        self.messages = {prompt.pk: prompt.messages for prompt, _ in prompts}
        comparisons = self._compare(prompts[: self.demo.n_prompts])
        n_rated = round(self.demo.rated * len(comparisons))
        n_begun = round((1 - self.demo.open) * len(comparisons))
        assignments: list[Assignment] = []
        ratings: list[Rating] = []
        for number, comparison in enumerate(comparisons[:n_begun]):
            day = DAYS * number / n_begun
            wants_all = number < n_rated
            queue = self.rng.sample(list(self.users), len(self.users))
            limit = self.project.max_ratings if wants_all else self.rng.choice((1, 2))
            for place, labeller in enumerate(queue[:limit]):
                if comparison.state != ComparisonState.OPEN:
                    break
                created_at, version = self._moment(day)
                assignment = Assignment(
                    comparison=comparison,
                    labeller=self.users[labeller],
                    state=AssignmentState.SUBMITTED,
                    place=place,
                    first=self.rng.choice("ab"),
                )
                said = self._ask(labeller, version, comparison, assignment)
                rating = self._rating(assignment, said, version, created_at)
                assignments.append(assignment)
                ratings += self._with_slip(rating)
                count(comparison, rating.preferred, +1)
                comparison.n_taken += 1
                settle(comparison, self.project)
        self._store(comparisons, assignments, ratings)
        rated = [one for one in comparisons[:n_rated] if one.state == ComparisonState.COMPLETE]
        self.said: dict[int, list[Rating]] = defaultdict(list)
        for rating in ratings:
            self.said[rating.comparison_id].append(rating)
        flagged = self._flag(rated)
        self._adjudicate(rated, flagged)
        # Draws of its own, so that the ratings above are the same whatever is measured of labellers.
        self.rng = random.Random(f"demo:{self.demo.slug}:measured")  # noqa: S311
        self._answer_gold(comparisons[n_begun:])
        self._rate_again([rating for rating in ratings if rating.supersedes is None])

    def _store(self, comparisons: list[Comparison], assignments: list[Assignment], ratings: list[Rating]) -> None:
        Comparison.objects.bulk_update(
            comparisons, ["n_a", "n_b", "n_ties", "n_taken", "n_wanted", "state"], batch_size=500
        )
        Assignment.objects.bulk_create(assignments, batch_size=1000)
        ratings.sort(key=lambda rating: rating.created_at)
        # A correction names the row that it corrects, so that one has to be there.
        for is_correction in (False, True):
            chosen = [rating for rating in ratings if (rating.supersedes is not None) == is_correction]
            Rating.objects.bulk_create(chosen, batch_size=1000)
        self.project.comparisons.update(created_at=self.versions[0][0])
        first = Rating.objects.filter(assignment=OuterRef("pk"), supersedes=None).values("created_at")
        mine = Assignment.objects.filter(comparison__project=self.project)
        mine.update(created_at=Subquery(first))
        mine.update(created_at=F("created_at") - timedelta(minutes=2))

    def _publish(self) -> Iterator[tuple[datetime, GuidelineVersion]]:
        """(since when, version), oldest first."""
        for number, note in enumerate(self.demo.change_notes, start=1):
            published_at = _day(self.now, DAYS + 1 if number == 1 else SECOND_GUIDELINES_DAYS_AGO)
            text = (GUIDELINES / f"{self.demo.axis}-{number}.md").read_text(encoding="utf-8")
            body, examples = worked_examples(text)
            version = publish_guidelines(
                project=self.project,
                author=self.people[Role.OWNER],
                body=body,
                change_note=note,
                changes_meaning=True,
                # Every other one is asked in the quiz.
                examples=[{**one, "in_quiz": place % 2 == 1} for place, one in enumerate(examples)],
            )
            GuidelineVersion.objects.filter(pk=version.pk).update(created_at=published_at)
            self._pass_quiz(version, published_at)
            yield published_at, version

    def _pass_quiz(self, version: GuidelineVersion, published_at: datetime) -> None:
        """All members have passed, before the day's first rating: whoever signs in can start at once."""
        asked = list(questions_of(version, self.project))
        answers = [
            {"example": one.pk, "preferred": one.preferred, "intensity": one.intensity, "is_right": True}
            for one in asked
        ]
        made = QualificationAttempt.objects.bulk_create(
            QualificationAttempt(
                labeller=user,
                version=version,
                answers=answers,
                n_questions=len(asked),
                n_right=len(asked),
                passed=True,
            )
            for user in (*self.users.values(), *self.people.values())
        )
        QualificationAttempt.objects.filter(pk__in=[one.pk for one in made]).update(
            created_at=published_at + timedelta(minutes=30)
        )

    def _compare(self, prompts: list[tuple[Prompt, list[Completion]]]) -> list[Comparison]:
        """Some pairs of each prompt, in an order in which prompts take turns."""
        n_rounds = max(self.demo.pairs_per_prompt.values())
        rounds: list[list[Comparison]] = [[] for _ in range(n_rounds)]
        for prompt, rows in prompts:
            n_pairs = self.demo.pairs_per_prompt[world()[prompt.tags[0]].kind]
            pairs = list(combinations(rows, 2))
            self.rng.shuffle(pairs)
            begin = self.rare.randrange(n_rounds - n_pairs + 1)
            for place, (x, y) in enumerate(pairs[:n_pairs], start=begin):
                a, b = sorted((x, y), key=lambda completion: completion.pk)
                rounds[place].append(
                    Comparison(project=self.project, prompt=prompt, a=a, b=b, n_wanted=self.project.min_ratings)
                )
        return Comparison.objects.bulk_create([one for several in rounds for one in several], batch_size=1000)

    def _moment(self, day: float) -> tuple[datetime, GuidelineVersion]:
        """A time of work up to two days after `day`, and the guidelines of then.

        Work that today has no time for yet was done yesterday: the hour of seeding changes no draw.
        """
        days_ago = max(0, DAYS - int(day) - self.rng.choice((0, 0, 1, 2)))
        after_seven = timedelta(hours=1 + 9 * self.rng.random())
        version = [version for since, version in self.versions if since <= _day(self.now, days_ago)][-1]
        moment = _day(self.now, days_ago) + after_seven
        return (moment if moment < self.now - _SLIP else _day(self.now, days_ago + 1) + after_seven), version

    def _ask(
        self, labeller: SimulatedLabeller, version: GuidelineVersion, comparison: Comparison, assignment: Assignment
    ) -> Judgement:
        if version.number < len(self.versions):
            labeller = replace(labeller, temperature=FIRST_GUIDELINES_NOISE * labeller.temperature)
        sides = (comparison.a_id, comparison.b_id) if assignment.first == "a" else (comparison.b_id, comparison.a_id)
        return rate(
            labeller,
            self.messages[comparison.prompt_id],
            self.texts[sides[0]],
            self.texts[sides[1]],
            self.rng,
            axis=self.demo.axis,
            ties_allowed=self.demo.ties_allowed,
            n_intensities=self.project.n_intensities,
        )

    def _rating(
        self, assignment: Assignment, said: Judgement, version: GuidelineVersion, created_at: datetime
    ) -> Rating:
        return Rating(
            comparison=assignment.comparison,
            assignment=assignment,
            labeller=assignment.labeller,
            project=self.project,
            preferred=stored_side(said.preferred, assignment),
            intensity=said.intensity,
            justification=said.justification,
            active_ms=said.active_ms,
            guideline_version=version,
            origin=RatingOrigin.SIMULATED,
            created_at=created_at,
        )

    def _with_slip(self, rating: Rating) -> list[Rating]:
        """The rating alone, or now and then behind the one it corrects: the same key on the wrong side."""
        if self.rare.random() >= self.demo.corrected or rating.intensity is None:
            return [rating]
        slip = Rating(
            comparison=rating.comparison,
            assignment=rating.assignment,
            labeller=rating.labeller,
            project=self.project,
            preferred={"a": "b", "b": "a"}[rating.preferred],
            intensity=rating.intensity,
            active_ms=rating.active_ms,
            guideline_version=rating.guideline_version,
            origin=RatingOrigin.SIMULATED,
            created_at=rating.created_at,
        )
        rating.supersedes = slip
        rating.created_at += _SLIP
        return [slip, rating]

    def _flag(self, comparisons: list[Comparison]) -> list[Comparison]:
        """Somebody who rated them has flagged some comparisons that give reason to. Returns those, oldest first."""
        reasons = {
            FlagKind.BROKEN: ("One of them breaks off in the middle of a sentence.", _breaks_off),
            FlagKind.HARMFUL: ("Somebody who follows this advice could be hurt.", _is_reckless),
            FlagKind.GUIDELINE_UNCLEAR: ("Refuses. The guidelines do not say how much that counts here.", _declines),
        }
        seen = self.rare.sample(comparisons, min(len(comparisons), 400))
        n_each = max(2, len(comparisons) // 360)
        flags, moments = [], []
        for kind, (note, gives_reason) in reasons.items():
            found = [
                one
                for one in seen
                if any(gives_reason(self.messages[one.prompt_id], self.texts[pk]) for pk in (one.a_id, one.b_id))
            ]
            for comparison in self.rare.sample(found, min(n_each, len(found))):
                rating = self.rare.choice(self.said[comparison.pk])
                flags.append(Flag(comparison=comparison, labeller=rating.labeller, kind=kind, note=note))
                moments.append(rating.created_at)
        Flag.objects.bulk_create(flags)
        for flag, moment in zip(flags, moments, strict=True):
            Flag.objects.filter(pk=flag.pk).update(created_at=moment)
        n_flags = Counter(flag.comparison_id for flag in flags)
        flagged = [one for one in comparisons if one.pk in n_flags]
        for one in flagged:
            one.n_flags = n_flags[one.pk]
        Comparison.objects.bulk_update(flagged, ["n_flags"])
        return flagged

    def _adjudicate(self, comparisons: list[Comparison], flagged: list[Comparison]) -> None:
        """The reviewer has settled the oldest comparisons that split the labellers, and a third of the flagged ones."""
        split = [one for one in comparisons if one.n_a and one.n_b and one not in flagged]
        for comparison in split[: max(3, len(split) // 40)] + flagged[: len(flagged) // 3]:
            messages = self.messages[comparison.prompt_id]
            a, b = (utility(self.demo.axis, messages, self.texts[pk]) for pk in (comparison.a_id, comparison.b_id))
            verdict, note = "a" if a > b else "b", "Settled by the guidelines' order of importance."
            if comparison.n_flags:
                verdict, note = "invalid", "The flag is right: this pair should not have been asked."
            elif abs(a - b) < 0.2:
                verdict, note = "tie", "They differ in nothing that the guidelines mention."
            made = adjudicate(
                project=self.project,
                reviewer=self.people[Role.REVIEWER],
                comparison_id=comparison.pk,
                verdict=verdict,
                intensity=None if verdict in ("tie", "invalid") else 3 if abs(a - b) > 2 else 2,
                note=note,
                guideline_section="" if verdict == "invalid" else self.rare.choice(self.demo.sections),
            )
            last = max(rating.created_at for rating in self.said[comparison.pk])
            moment = min(last + timedelta(hours=20 * self.rare.random()), self.now)
            type(made).objects.filter(pk=made.pk).update(created_at=moment)
            comparison.flags.update(resolved_at=moment)

    def _gap(self, comparison: Comparison) -> float:
        """True utility of a over b."""
        messages = self.messages[comparison.prompt_id]
        a, b = (utility(self.demo.axis, messages, self.texts[pk]) for pk in (comparison.a_id, comparison.b_id))
        return a - b

    def _answer_gold(self, unrated: list[Comparison]) -> None:
        """Some clear comparisons have the reviewer's answer, and every simulated labeller has met them unknowingly."""
        gold = [one for one in unrated if abs(self._gap(one)) > _CLEAR_GAP][:N_GOLD]
        assignments, ratings = [], []
        for comparison in gold:
            set_gold(
                project=self.project,
                reviewer=self.people[Role.REVIEWER],
                comparison_id=comparison.pk,
                preferred="a" if self._gap(comparison) > 0 else "b",
                intensity=3,
            )
            comparison.refresh_from_db()
            for place, labeller in enumerate(self.users):
                assignment, rating = self._measured(labeller, comparison, AssignmentKind.GOLD, place=place)
                assignments.append(assignment)
                ratings.append(rating)
                count(comparison, rating.preferred, +1)
                comparison.n_taken += 1
        Comparison.objects.bulk_update(gold, ["n_a", "n_b", "n_ties", "n_taken"])
        self._store_measured(assignments, ratings)

    def _rate_again(self, ratings: list[Rating]) -> None:
        """Each labeller was asked about some of their pairs a second time, with the sides exchanged, but not about what
        is flagged or settled."""
        asked = self.project.comparisons.filter(n_flags=0).exclude(state=ComparisonState.ADJUDICATED)
        may_be_asked = set(asked.values_list("pk", flat=True))
        by_user = {user: labeller for labeller, user in self.users.items()}
        mine: dict[SimulatedLabeller, list[Rating]] = defaultdict(list)
        for rating in ratings:
            if rating.created_at < _day(self.now, 6) and rating.comparison_id in may_be_asked:
                mine[by_user[rating.labeller]].append(rating)
        assignments, again = [], []
        for labeller in self.users:
            for before in self.rng.sample(mine[labeller], min(N_REPEATS, len(mine[labeller]))):
                shown = {"a": "b", "b": "a"}[str(before.assignment.first)]
                assignment, rating = self._measured(
                    labeller, before.comparison, AssignmentKind.REPEAT, first=shown, after=before.created_at
                )
                assignments.append(assignment)
                again.append(rating)
        self._store_measured(assignments, again)

    def _measured(
        self,
        labeller: SimulatedLabeller,
        comparison: Comparison,
        kind: AssignmentKind,
        *,
        place: int | None = None,
        first: str | None = None,
        after: datetime | None = None,
    ) -> tuple[Assignment, Rating]:
        """What a labeller says to a pair that is there to measure them; `after`: when they had rated it."""
        assignment = Assignment(
            comparison=comparison,
            labeller=self.users[labeller],
            kind=kind,
            state=AssignmentState.SUBMITTED,
            place=place,
            first=first or self.rng.choice("ab"),
        )
        if after is None:
            created_at, version = self._moment(self.rng.uniform(0, DAYS - 3))
        else:
            created_at = after + timedelta(days=self.rng.randint(1, 4))
            version = [version for since, version in self.versions if since <= created_at][-1]
        rating = self._rating(assignment, self._ask(labeller, version, comparison, assignment), version, created_at)
        rating.is_repeat = kind == AssignmentKind.REPEAT
        return assignment, rating

    def _store_measured(self, assignments: list[Assignment], ratings: list[Rating]) -> None:
        Assignment.objects.bulk_create(assignments)
        Rating.objects.bulk_create(sorted(ratings, key=lambda rating: rating.created_at))
        first = Rating.objects.filter(assignment=OuterRef("pk")).values("created_at")
        made = Assignment.objects.filter(pk__in=[one.pk for one in assignments])
        made.update(created_at=Subquery(first))
        made.update(created_at=F("created_at") - timedelta(minutes=2))


def _breaks_off(messages: list[dict[str, str]], text: str) -> bool:
    # The last entry of a list needs no full stop.
    return "\n" not in text and features(messages, text).is_cut_off


def _is_reckless(messages: list[dict[str, str]], text: str) -> bool:
    return features(messages, text).n_reckless > 0


def _declines(messages: list[dict[str, str]], text: str) -> bool:
    return features(messages, text).declines


def worked_examples(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Take the worked examples out of a guideline's text: (the text without them, fields of each `WorkedExample`)."""
    examples = []
    for prompt, a, b, side, strength, why in _EXAMPLE.findall(text):
        reason = _unwrapped(why)
        examples.append(
            {
                "prompt": _unwrapped(prompt),
                "completion_a": _unwrapped(a),
                "completion_b": _unwrapped(b),
                "preferred": side.lower(),
                "intensity": {"significantly": 4, "": 3, "slightly": 2}[strength.strip()],
                "rationale": reason[:1].upper() + reason[1:],
            }
        )
    return _EXAMPLES_SECTION.sub("", text).strip() + "\n", examples


def _unwrapped(text: str) -> str:
    return " ".join(text.replace("\n>", " ").split())


def describe(counts: dict[str, int]) -> str:
    """The counts in words, nothing left out but zeros."""
    return ", ".join(f"{n:,} {name if n != 1 else name.removesuffix('s')}" for name, n in counts.items() if n)
