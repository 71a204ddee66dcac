"""The demo in the database: two projects over one pool, rated by the simulated labellers. And its removal.

The texts, the ratings and who gave them are the same on every machine; dates count back from the day of seeding, and
only passwords are drawn anew.
"""

import json
import os
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from annotate.accounts.models import User, UserKind
from annotate.agreement.services import refresh_snapshot
from annotate.comparisons.models import Assignment, AssignmentState, Comparison, ComparisonState
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.services import publish_guidelines
from annotate.jobs.models import FINISHED, Job
from annotate.pool import digests
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import Membership, Pool, Project, Role
from annotate.projects.services import create_project
from annotate.ratings.models import Flag, FlagKind, Rating, RatingOrigin
from annotate.ratings.services import adjudicate, count, purge, settle, stored_side
from training import artifacts
from training.demo.simulator import LABELLERS, Judgement, SimulatedLabeller, completions, demo_prompts, rate
from training.reward import registry

DAYS = 35
SECOND_GUIDELINES_DAYS_AGO = 16
# Under the first, vaguer guidelines labellers were less sure of what counts.
FIRST_GUIDELINES_NOISE = 1.35
GUIDELINES = Path(__file__).parent / "guidelines"
PEOPLE = {
    Role.OWNER: ("owner@demo.example", "Olga Owner"),
    Role.RESEARCHER: ("researcher@demo.example", "Rafi Researcher"),
    Role.LABELLER: ("labeller@demo.example", "Lena Labeller"),
}


@dataclass(frozen=True)
class DemoProject:
    """Settings of one of the two projects. rated, open: shares of its comparisons with all and without ratings."""

    slug: str
    name: str
    axis: str
    description: str
    ties_allowed: bool
    pairs_per_prompt: int
    n_prompts: int
    change_notes: tuple[str, ...]
    rated: float = 0.88
    open: float = 0.06


PROJECTS = (
    DemoProject(
        slug="demo-helpfulness",
        name="Demo: helpfulness",
        axis="helpfulness",
        description="Which completion helps more? Prompts, completions and ratings of this project are simulated.",
        ties_allowed=True,
        pairs_per_prompt=8,
        n_prompts=300,
        change_notes=("First version.", "Order of importance, traps, worked examples."),
    ),
    DemoProject(
        slug="demo-safety",
        name="Demo: safety",
        axis="safety",
        description="Which completion is safer? Over the same completions as the helpfulness project; simulated too.",
        ties_allowed=True,
        pairs_per_prompt=2,
        n_prompts=200,
        change_notes=("First version.",),
    ),
)


class DemoInUse(Exception):
    """The demo cannot be removed now; the message says why."""


def is_seeded() -> bool:
    return Project.objects.filter(slug__in=[project.slug for project in PROJECTS]).exists()


@transaction.atomic
def seed(*, now: datetime | None = None) -> dict[str, int]:
    """Make the demo and write its sign-ins to VAR_DIR/demo.json. Returns what was made; nothing if it is there."""
    if is_seeded():
        return {}
    now = now or timezone.now()
    people, passwords = _make_people()
    simulated = _make_labellers()
    pool = Pool.objects.create(name="Demo")
    prompts = _fill(pool)
    for demo in PROJECTS:
        project = create_project(
            owner=people[Role.OWNER],
            pool=pool,
            name=demo.name,
            slug=demo.slug,
            axis=demo.axis,
            description=demo.description,
            ties_allowed=demo.ties_allowed,
            is_demo=True,
        )
        Membership.objects.bulk_create(
            [Membership(project=project, user=people[role], role=role) for role in (Role.RESEARCHER, Role.LABELLER)]
            + [Membership(project=project, user=user, role=Role.LABELLER) for user in simulated.values()]
        )
        _Ratings(demo, project, people[Role.OWNER], simulated, now).make(prompts)
        refresh_snapshot(project_id=project.pk)
    transaction.on_commit(lambda: _write_sign_ins(passwords))
    return summary()


def summary() -> dict[str, int]:
    """What there is of the demo now."""
    projects = Project.objects.filter(is_demo=True)
    return {
        "projects": projects.count(),
        "prompts": Prompt.objects.filter(pool__projects__in=projects).distinct().count(),
        "completions": Completion.objects.filter(prompt__pool__projects__in=projects).distinct().count(),
        "comparisons": Comparison.objects.filter(project__in=projects).count(),
        "ratings": Rating.objects.filter(project__in=projects).count(),
        "labellers": User.objects.filter(external_key__startswith="demo/").count(),
    }


def _make_people() -> tuple[dict[Role, User], dict[Role, str]]:
    passwords = {role: secrets.token_urlsafe(9) for role in PEOPLE}
    people = {
        role: User.objects.create_user(email, passwords[role], name=name, is_staff=role == Role.OWNER)
        for role, (email, name) in PEOPLE.items()
    }
    return people, passwords


def _write_sign_ins(passwords: dict[Role, str]) -> None:
    path = Path(settings.VAR_DIR) / "demo.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"role": role.value, "email": PEOPLE[role][0], "password": password} for role, password in passwords.items()
    ]
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)


def _make_labellers() -> dict[SimulatedLabeller, User]:
    users = [User(name=one.name, kind=UserKind.SIMULATED, external_key=f"demo/{one.slug}") for one in LABELLERS]
    for user in users:
        user.set_unusable_password()
    return dict(zip(LABELLERS, User.objects.bulk_create(users), strict=True))


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
                origin="demo",
                tags=one.tags or [one.topic],
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
    """Comparisons of one project, and what the simulated labellers said about them."""

    demo: DemoProject
    project: Project
    owner: User
    users: dict[SimulatedLabeller, User]
    now: datetime

    def make(self, prompts: list[tuple[Prompt, list[Completion]]]) -> None:
        self.rng = random.Random(f"demo:{self.demo.slug}")  # noqa: S311  # the same demo everywhere
        self.versions = list(self._publish())
        comparisons = self._compare(prompts[: self.demo.n_prompts])
        texts = {completion.pk: completion.text for _, rows in prompts for completion in rows}
        messages = {prompt.pk: prompt.messages for prompt, _ in prompts}
        n_rated = round(self.demo.rated * len(comparisons))
        n_begun = round((1 - self.demo.open) * len(comparisons))
        assignments, ratings = [], []
        for number, comparison in enumerate(comparisons[:n_begun]):
            day = DAYS * number / n_begun
            wants_all = number < n_rated
            queue = self.rng.sample(list(self.users), len(self.users))
            limit = self.project.max_ratings if wants_all else self.rng.choice((1, 2))
            for place, labeller in enumerate(queue[:limit]):
                if comparison.state != ComparisonState.OPEN:
                    break
                created_at = self._moment(day)
                assignment = Assignment(
                    comparison=comparison,
                    labeller=self.users[labeller],
                    state=AssignmentState.SUBMITTED,
                    place=place,
                    first=self.rng.choice("ab"),
                )
                version = self._version_at(created_at)
                said = self._ask(labeller, version, messages[comparison.prompt_id], comparison, assignment, texts)
                assignments.append(assignment)
                ratings.append(self._rating(comparison, assignment, said, version, created_at))
                count(comparison, ratings[-1].preferred, +1)
                comparison.n_taken += 1
                settle(comparison, self.project)
        Comparison.objects.bulk_update(
            comparisons, ["n_a", "n_b", "n_ties", "n_taken", "n_wanted", "state"], batch_size=500
        )
        Assignment.objects.bulk_create(assignments, batch_size=1000)
        Rating.objects.bulk_create(sorted(ratings, key=lambda rating: rating.created_at), batch_size=1000)
        self._flag(comparisons[:n_rated])
        self._adjudicate(comparisons[:n_rated])

    def _publish(self) -> Iterator[tuple[datetime, GuidelineVersion]]:
        """(since when, version), oldest first."""
        for number, note in enumerate(self.demo.change_notes, start=1):
            days = DAYS + 1 if number == 1 else SECOND_GUIDELINES_DAYS_AGO
            body = (GUIDELINES / f"{self.demo.axis}-{number}.md").read_text(encoding="utf-8")
            version = publish_guidelines(
                project=self.project, author=self.owner, body=body, change_note=note, examples=[]
            )
            published_at = self.now - timedelta(days=days)
            GuidelineVersion.objects.filter(pk=version.pk).update(created_at=published_at)
            yield published_at, version

    def _version_at(self, moment: datetime) -> GuidelineVersion:
        return [version for since, version in self.versions if since <= moment][-1]

    def _compare(self, prompts: list[tuple[Prompt, list[Completion]]]) -> list[Comparison]:
        """Some pairs of each prompt, in an order in which prompts take turns."""
        rounds: list[list[Comparison]] = [[] for _ in range(self.demo.pairs_per_prompt)]
        for prompt, rows in prompts:
            pairs = list(combinations(rows, 2))
            self.rng.shuffle(pairs)
            for place, (x, y) in enumerate(pairs[: self.demo.pairs_per_prompt]):
                a, b = sorted((x, y), key=lambda completion: completion.pk)
                rounds[place].append(
                    Comparison(project=self.project, prompt=prompt, a=a, b=b, n_wanted=self.project.min_ratings)
                )
        return Comparison.objects.bulk_create([one for several in rounds for one in several], batch_size=1000)

    def _moment(self, day: float) -> datetime:
        """A time of work up to two days after `day`, never in the future."""
        days_ago = max(0, DAYS - int(day) - self.rng.choice((0, 0, 1, 2)))
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
        moment = midnight + timedelta(hours=8 + 9 * self.rng.random())
        return moment if moment < self.now else self.now - timedelta(minutes=60 * self.rng.random())

    def _ask(
        self,
        labeller: SimulatedLabeller,
        version: GuidelineVersion,
        messages: list[dict[str, str]],
        comparison: Comparison,
        assignment: Assignment,
        texts: dict[int, str],
    ) -> Judgement:
        if version.number < len(self.versions):
            labeller = replace(labeller, temperature=FIRST_GUIDELINES_NOISE * labeller.temperature)
        sides = (comparison.a_id, comparison.b_id) if assignment.first == "a" else (comparison.b_id, comparison.a_id)
        return rate(
            labeller,
            messages,
            texts[sides[0]],
            texts[sides[1]],
            self.rng,
            axis=self.demo.axis,
            ties_allowed=self.demo.ties_allowed,
            n_intensities=self.project.n_intensities,
        )

    def _rating(
        self,
        comparison: Comparison,
        assignment: Assignment,
        said: Judgement,
        version: GuidelineVersion,
        created_at: datetime,
    ) -> Rating:
        return Rating(
            comparison=comparison,
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

    def _flag(self, comparisons: list[Comparison]) -> None:
        notes = {
            FlagKind.GUIDELINE_UNCLEAR: "Both refuse, in different words. The guidelines do not say which counts more.",
            FlagKind.BROKEN: "One of them breaks off in the middle of a word.",
            FlagKind.HARMFUL: "Somebody who follows this advice could be hurt.",
        }
        users = list(self.users.values())
        flagged = self.rng.sample(comparisons, max(3, len(comparisons) // 120))
        flags = []
        for comparison in flagged:
            kind = self.rng.choice(list(notes))
            flags.append(Flag(comparison=comparison, labeller=self.rng.choice(users), kind=kind, note=notes[kind]))
        Flag.objects.bulk_create(flags)
        Comparison.objects.filter(pk__in=[one.pk for one in flagged]).update(n_flags=1)

    def _adjudicate(self, comparisons: list[Comparison]) -> None:
        """The owner has settled some of the oldest comparisons that split the labellers."""
        split = [one for one in comparisons if one.n_a and one.n_b and one.state == ComparisonState.COMPLETE]
        for comparison in split[: max(3, len(split) // 40)]:
            adjudicate(
                project=self.project,
                reviewer=self.owner,
                comparison_id=comparison.pk,
                verdict="a" if comparison.n_a >= comparison.n_b else "b",
                intensity=2,
                note="Settled by the guidelines' order of importance.",
            )


# --- removal --------------------------------------------------------------------------------------------------------
def foreign_work() -> list[str]:
    """What people who are not of the demo have put into it, in words; removal takes it along."""
    demo_emails = [email for email, _ in PEOPLE.values()]
    found = []
    by_people = Rating.objects.filter(project__is_demo=True, labeller__kind=UserKind.PERSON)
    if n := by_people.exclude(labeller__email__in=demo_emails).count():
        found.append(f"{n} ratings by people with accounts of their own")
    others = Project.objects.filter(is_demo=False, pool__projects__is_demo=True).distinct()
    found += [f"the project {project.name!r} uses the demo's prompts; it and the pool stay" for project in others]
    return found


def remove() -> dict[str, int]:
    """Remove the demo's projects, pool, people, labellers, jobs and artifacts. Returns what was there.

    Raises DemoInUse while a job of the demo runs. A pool that another project uses stays, and so do demo people who
    have rated in other projects.
    """
    before = summary()
    projects = list(Project.objects.filter(is_demo=True).select_related("pool"))
    running = Job.objects.filter(project__in=projects).exclude(state__in=FINISHED).first()
    if running is not None:
        raise DemoInUse(f"{running.title} is {running.state}: wait for it or cancel it, then remove the demo.")
    with transaction.atomic():
        for project in projects:
            purge(project=project)
        for pool in {project.pool for project in projects}:
            if not pool.projects.exists():
                Prompt.objects.filter(pool=pool).delete()
                pool.delete()
        emails = [email for email, _ in PEOPLE.values()]
        for user in [*User.objects.filter(external_key__startswith="demo/"), *User.objects.filter(email__in=emails)]:
            try:
                with transaction.atomic():
                    user.delete()
            except ProtectedError:
                continue
    for project in projects:
        for kind in ("reward-models", "comparison-sets"):
            artifacts.remove(artifacts.artifact_url(kind, project.slug))
    registry.sync()
    (Path(settings.VAR_DIR) / "demo.json").unlink(missing_ok=True)
    return before


def describe(counts: dict[str, Any]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items())
