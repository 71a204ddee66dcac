"""Starting imports, and taking rows in: batch by batch, each in a transaction with its place in the file."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import fsspec
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from annotate.accounts.models import User, UserKind
from annotate.accounts.services import external_users
from annotate.common.errors import DomainError
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
from annotate.comparisons.services import add_comparisons
from annotate.imports.models import Import, ImportError, ImportFormat
from annotate.imports.parsing import BadRow, ParsedCompletion, ParsedRow, Vote, parse, recognise
from annotate.imports.reading import RawRow, Unreadable, kind_of_file, read
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import enqueue
from annotate.pool.digests import completion_digest, excerpt, prompt_digest
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects import audit
from annotate.projects.models import Project
from annotate.rankings.services import add_rankings
from annotate.ratings.models import Rating, RatingOrigin
from annotate.ratings.services import count, save_counts, settle
from annotate.ratings.signals import ratings_changed

BATCH_ROWS = 500
# A batch of long rows ends earlier.
BATCH_BYTES = 16 * 1024**2
# So many bad rows are told one by one; the rest is only counted.
MAX_ERRORS = 10_000
MAX_NAMES_KEPT = 10_000
_NAMESPACE = uuid.UUID("3b0c2a52-6a9f-4f0e-9d0c-2f6f6f0b7a11")
_UPLOADS = "imports"
NO_COUNTS = {
    "rows": 0,
    "prompts": 0,
    "completions": 0,
    "comparisons": 0,
    "rankings": 0,
    "ratings": 0,
    "duplicates": 0,
    "other_axis": 0,
    "bad_rows": 0,
}


# --- starting -------------------------------------------------------------------------------------------------------
def upload(
    *, project: Project, file: UploadedFile, format: str, source_name: str, source_kind: str, created_by: User
) -> Import:
    """Keep an uploaded file among the artifacts and queue its import. Raises DomainError for a file of another kind."""
    filename = PurePath(file.name or "file").name[-200:]
    _require_known_kind(filename)
    if file.size is not None and file.size > settings.UPLOAD_MAX_BYTES:
        raise DomainError(
            "file_too_large",
            f"{filename} has {file.size / 1024**2:,.0f} MiB; {settings.UPLOAD_MAX_BYTES / 1024**2:,.0f} are allowed. "
            "Split it, or import it on the server with manage.py import.",
            status=413,
        )
    url = f"{settings.ARTIFACTS_URL.rstrip('/')}/{_UPLOADS}/{uuid.uuid4()}/{_plain(filename)}"
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with filesystem.open(path, "wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    return start_import(
        project=project,
        file_url=url,
        filename=filename,
        format=format,
        source_name=source_name,
        source_kind=source_kind,
        created_by=created_by,
    )


@transaction.atomic
def start_import(
    *,
    project: Project,
    file_url: str,
    filename: str,
    format: str = ImportFormat.AUTO,
    source_name: str = "",
    source_kind: str = SourceKind.EXTERNAL,
    created_by: User | None = None,
) -> Import:
    """Queue the import of a file that lies where the workers can read it."""
    _require_known_kind(filename)
    job = enqueue(kind="import", title=f"Import {filename}", project=project, params={}, created_by=created_by)
    run = Import(
        project=project,
        job=job,
        filename=filename,
        file_url=file_url,
        format=format,
        source_name=source_name.strip(),
        source_kind=source_kind,
        counts=NO_COUNTS,
        created_by=created_by,
    )
    run.full_clean()
    run.save()
    where = "" if created_by else " on the server"
    audit.record(
        project=project,
        actor=created_by,
        action="import.started",
        summary=f"Import of {filename} started{where}",
        target=run,
        filename=filename,
        format=format,
    )
    return run


def _require_known_kind(filename: str) -> None:
    try:
        kind_of_file(filename)
    except Unreadable as error:
        raise DomainError("unknown_file", str(error), status=400) from error


def _plain(filename: str) -> str:
    """A name that every file system takes; the end says what kind of file it is."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in filename)[-100:]


def forget_upload(*, job: Job) -> None:
    """After a successful import the uploaded copy is no longer needed; what lay elsewhere is left alone."""
    run = Import.objects.filter(job=job).first()
    if run is None or job.state != JobState.SUCCEEDED:
        return
    prefix = f"{settings.ARTIFACTS_URL.rstrip('/')}/{_UPLOADS}/"
    if run.file_url.startswith(prefix) and run.file_url.removeprefix(prefix).count("/") == 1:
        transaction.on_commit(lambda: _remove_directory_of(run.file_url), robust=True)


def _remove_directory_of(url: str) -> None:
    filesystem, path = fsspec.core.url_to_fs(url)
    directory = path.rsplit("/", 1)[0]
    if filesystem.exists(directory):
        filesystem.rm(directory, recursive=True)


# --- the job --------------------------------------------------------------------------------------------------------
def run_import(*, run: Import, context: JobContext) -> dict[str, Any]:
    """Take the whole file in. After a lost worker it goes on behind the last batch that was committed.

    Memory holds one batch. Raises JobFailed "unreadable_file" and "unknown_format".
    """
    done_lines = int(context.checkpoint.get("line", 0))
    if done_lines:
        context.log(f"goes on after line {done_lines}")
    rows = (row for row in _rows(run) if row.line > done_lines)
    writer = _Writer(run)
    for batch in _batches(rows):
        format = _format(run, batch)
        with transaction.atomic():
            writer.write(_parsed(batch, format))
            context.save_checkpoint(line=batch[-1].line)
        last, unit = batch[-1], "rows" if run.filename.lower().endswith(".parquet") else "bytes"
        context.progress(last.done, last.total, unit=unit, message=f"{run.counts['rows']:,} rows read")
    if not run.counts["rows"]:
        raise JobFailed("empty_file", f"{run.filename} has no rows.")
    context.progress(message=f"{run.counts['rows']:,} rows read")
    return {"import": run.pk, **run.counts}


def _rows(run: Import) -> Iterator[RawRow]:
    try:
        yield from read(run.file_url, run.filename)
    except Unreadable as error:
        raise JobFailed("unreadable_file", str(error)) from error


def _batches(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    batch: list[RawRow] = []
    n_bytes = 0
    for row in rows:
        batch.append(row)
        n_bytes += row.n_bytes
        if len(batch) >= BATCH_ROWS or n_bytes >= BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _format(run: Import, batch: list[RawRow]) -> ImportFormat:
    """The format of the file: as told, else as its first good row looks."""
    if run.format == ImportFormat.AUTO:
        objects = [row.value for row in batch if isinstance(row.value, dict)]
        found = next(filter(None, map(recognise, objects)), None)
        if found is None:
            # As ascii() writes them: a name can hold what cannot be stored, and be of any length.
            names = (
                ", ".join(ascii(str(name)[:40])[1:-1] for name in list(objects[0])[:12]) if objects else "no objects"
            )
            raise JobFailed(
                "unknown_format",
                f"The rows of {run.filename} look like none of the formats: expected the fields prompt and "
                f"completions, or chosen and rejected; found {names}.",
            )
        run.format = found
        run.save(update_fields=["format"])
    return ImportFormat(run.format)


def _parsed(batch: list[RawRow], format: ImportFormat) -> Iterator[tuple[int, ParsedRow | BadRow]]:
    for row in batch:
        if isinstance(row.value, BadRow):
            yield row.line, row.value
            continue
        try:
            yield row.line, parse(row.value, format)
        except BadRow as bad:
            yield row.line, bad


# --- writing --------------------------------------------------------------------------------------------------------
@dataclass
class _Row:
    """A good row on its way in, with what the database calls its parts."""

    line: int
    parsed: ParsedRow
    digest: str
    completion_digests: list[str]
    votes: list[Vote] = field(default_factory=list)
    prompt_id: int = 0
    completion_ids: list[int] = field(default_factory=list)
    # Whether it brought anything that was not there.
    is_new: bool = False


class _Writer:
    """Writes batches in a fixed number of statements each. Call `write` inside a transaction."""

    def __init__(self, run: Import) -> None:
        self.run = run
        self.project = run.project
        # Looked up once; emptied when a file has no end of names.
        self.sources: dict[str, CompletionSource] = {}
        self.labellers: dict[str, int] = {}
        self.authors: dict[str, int] = {}

    def write(self, parsed: Iterable[tuple[int, ParsedRow | BadRow]]) -> None:
        tally: Counter[str] = Counter()
        bad: list[tuple[int, BadRow]] = []
        rows: list[_Row] = []
        for names in (self.sources, self.labellers, self.authors):
            if len(names) > MAX_NAMES_KEPT:
                names.clear()
        parsed = list(parsed)
        self._know_authors(
            {
                completion.author
                for _, one in parsed
                if not isinstance(one, BadRow)
                for completion in one.completions
                if completion.author
            }
        )
        for line, one in parsed:
            tally["rows"] += 1
            if isinstance(one, BadRow):
                bad.append((line, one))
                continue
            try:
                self._check_authors(one)
                votes = self._votes_that_count(one, tally)
            except BadRow as problem:
                bad.append((line, problem))
                continue
            digests = [completion_digest(completion.text) for completion in one.completions]
            rows.append(_Row(line, one, prompt_digest(one.messages), digests, votes))
        if rows:
            self._add_prompts(rows, tally)
            self._add_completions(rows, tally)
            ids = self._add_comparisons(rows, tally)
            self._add_ratings(rows, ids, tally, bad)
            self._add_rankings(rows, tally)
            refused = {line for line, _ in bad}
            tally["duplicates"] += sum(not row.is_new and row.line not in refused for row in rows)
        self._report(bad, tally)
        self.run.counts = {name: self.run.counts.get(name, 0) + tally[name] for name in NO_COUNTS}
        self.run.save(update_fields=["counts"])
        if tally["ratings"]:
            ratings_changed.send(sender=Rating, project_id=self.project.pk)

    def _votes_that_count(self, row: ParsedRow, tally: Counter[str]) -> list[Vote]:
        """Those along the project's axis, one a labeller if the row has that.

        A vote without an axis, or on "overall", counts along any whose own vote is missing; a project on "overall"
        takes votes along every axis.
        """

        def distance(vote: Vote) -> int | None:
            if vote.axis == self.project.axis:
                return 0
            if vote.axis in ("", "overall"):
                return 1
            return 2 if self.project.axis == "overall" else None

        nearest: dict[str, int] = {}
        for vote in row.votes:
            how_near = distance(vote)
            if how_near is not None:
                nearest[vote.labeller] = min(how_near, nearest.get(vote.labeller, how_near))
        mine = [vote for vote in row.votes if distance(vote) is not None and distance(vote) == nearest[vote.labeller]]
        for vote in mine:
            if vote.intensity is not None and vote.intensity > self.project.n_intensities:
                raise BadRow(
                    f"ratings[{row.votes.index(vote)}].intensity",
                    f"This project has {self.project.n_intensities} levels, got {vote.intensity}.",
                )
        tally["other_axis"] += len(row.votes) - len(mine)
        return mine

    def _add_prompts(self, rows: list[_Row], tally: Counter[str]) -> None:
        by_digest = {row.digest: row for row in reversed(rows)}
        known = self._prompt_ids(by_digest)
        # In one order everywhere, so that two imports at once do not wait for each other in a circle.
        Prompt.objects.bulk_create(
            (
                Prompt(
                    pool_id=self.project.pool_id,
                    messages=row.parsed.messages,
                    digest=digest,
                    excerpt=excerpt(row.parsed.messages),
                    language=row.parsed.language,
                    origin=row.parsed.origin,
                    tags=row.parsed.tags,
                )
                for digest, row in sorted(by_digest.items())
                if digest not in known
            ),
            ignore_conflicts=True,
        )
        ids = self._prompt_ids(by_digest)
        tally["prompts"] += len(ids) - len(known)
        first_of = {digest: row.line for digest, row in by_digest.items()}
        for row in rows:
            row.prompt_id = ids[row.digest]
            row.is_new = row.digest not in known and row.line == first_of[row.digest]

    def _prompt_ids(self, digests: Iterable[str]) -> dict[str, int]:
        found = Prompt.objects.filter(pool=self.project.pool_id, digest__in=list(digests))
        return dict(found.values_list("digest", "pk"))

    def _add_completions(self, rows: list[_Row], tally: Counter[str]) -> None:
        wanted: dict[tuple[int, str], ParsedCompletion] = {}
        for row in rows:
            for completion, digest in zip(row.parsed.completions, row.completion_digests, strict=True):
                first = wanted.setdefault((row.prompt_id, digest), completion)
                if completion.author and not first.author:
                    wanted[row.prompt_id, digest] = replace(first, author=completion.author)
        self._know_sources({(one.source, one.source_kind) for one in wanted.values()})
        known = self._completion_ids(wanted)
        Completion.objects.bulk_create(
            (
                Completion(
                    prompt_id=prompt_id,
                    digest=digest,
                    text=one.text,
                    source=self.sources[self._source_name(one.source)],
                    author_id=self.authors[one.author] if one.author else None,
                )
                for (prompt_id, digest), one in sorted(wanted.items(), key=lambda item: item[0])
                if (prompt_id, digest) not in known
            ),
            ignore_conflicts=True,
        )
        ids = self._completion_ids(wanted)
        self._name_authors({ids[key]: self.authors[wanted[key].author] for key in known if wanted[key].author})
        fresh = wanted.keys() - known.keys()
        tally["completions"] += len(fresh)
        for row in rows:
            mine = {(row.prompt_id, digest) for digest in row.completion_digests}
            row.completion_ids = [ids[row.prompt_id, digest] for digest in row.completion_digests]
            row.is_new |= not mine.isdisjoint(fresh)
            fresh -= mine  # a later row with the same brings nothing

    def _know_authors(self, named: set[str]) -> None:
        unknown = named - self.authors.keys()
        if not unknown:
            return
        emails, pseudonyms = {name.lower() for name in unknown}, {name.upper() for name in unknown}
        members = User.objects.filter(
            Q(email__in=emails) | Q(pseudonym__in=pseudonyms), memberships__project=self.project
        ).values_list("pk", "email", "pseudonym")
        found = {key: pk for pk, email, pseudonym in members for key in (email, pseudonym) if key}
        for name in unknown:
            pk = found.get(name.lower()) or found.get(name.upper())
            if pk:
                self.authors[name] = pk

    def _check_authors(self, row: ParsedRow) -> None:
        for number, completion in enumerate(row.completions):
            if completion.author and completion.author not in self.authors:
                raise BadRow(
                    f"completions[{number}].author",
                    f"No member of this project has the e-mail or pseudonym {completion.author[:100]}.",
                )

    @staticmethod
    def _name_authors(author_ids: dict[int, int]) -> None:
        """Note who wrote completions that came earlier without an author, by their ids. In one statement."""
        if not author_ids:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE pool_completion SET author_id = new.author_id
                FROM unnest(%s::bigint[], %s::bigint[]) AS new(id, author_id)
                WHERE pool_completion.id = new.id AND pool_completion.author_id IS NULL
                """,
                [list(author_ids), list(author_ids.values())],
            )

    @staticmethod
    def _completion_ids(wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """Ids by (prompt id, digest). By digest too: one prompt may have a hundred thousand completions."""
        found = Completion.objects.filter(
            prompt_id__in={prompt_id for prompt_id, _ in wanted}, digest__in={digest for _, digest in wanted}
        )
        return {(prompt_id, digest): pk for prompt_id, digest, pk in found.values_list("prompt_id", "digest", "pk")}

    def _source_name(self, name: str) -> str:
        return name or self.run.source_name or "imported"

    def _know_sources(self, named: set[tuple[str, str]]) -> None:
        kinds = {self._source_name(name): kind or self.run.source_kind for name, kind in sorted(named)}
        unknown = {name: kind for name, kind in kinds.items() if name not in self.sources}
        if not unknown:
            return
        found = CompletionSource.objects.filter(pool=self.project.pool_id, name__in=unknown)
        known = set(found.values_list("name", flat=True))
        CompletionSource.objects.bulk_create(
            (
                CompletionSource(pool_id=self.project.pool_id, name=name, kind=kind)
                for name, kind in sorted(unknown.items())
                if name not in known
            ),
            ignore_conflicts=True,
        )
        self.sources |= {source.name: source for source in found.all()}

    def _add_comparisons(self, rows: list[_Row], tally: Counter[str]) -> dict[tuple[int, int], int]:
        """Comparison ids by (lower, higher completion id). A row whose votes are all of another axis asks nothing.

        A project that ranks asks for no pairs: there only what has been rated becomes a comparison.
        """
        pairs = [
            (row.prompt_id, row.completion_ids[i], row.completion_ids[j])
            for row in rows
            if row.votes or (not row.parsed.votes and self.project.ranking_size is None)
            for i, j in row.parsed.pairs
        ]
        if not pairs:
            return {}
        wanted = {(min(x, y), max(x, y)) for _, x, y in pairs}
        existing = Comparison.objects.filter(project=self.project, a_id__in={a for a, _ in wanted})
        known = wanted & set(existing.values_list("a_id", "b_id"))
        ids = add_comparisons(project=self.project, pairs=sorted(pairs))
        fresh = wanted - known
        tally["comparisons"] += len(fresh)
        for row in rows:
            mine = {_ordered(row, i, j) for i, j in row.parsed.pairs}
            row.is_new |= not mine.isdisjoint(fresh)
            fresh -= mine
        return ids

    def _add_rankings(self, rows: list[_Row], tally: Counter[str]) -> None:
        """Where the project ranks, have the completions of unrated rows ranked, with those that were there before."""
        asking = [row for row in rows if not row.parsed.votes]
        if self.project.ranking_size is None or not asking:
            return
        fresh = add_rankings(project=self.project, prompts={row.prompt_id for row in asking})
        tally["rankings"] += len(fresh)
        for row in asking:
            row.is_new |= row.prompt_id in fresh
            fresh.discard(row.prompt_id)

    def _add_ratings(
        self, rows: list[_Row], ids: dict[tuple[int, int], int], tally: Counter[str], bad: list[tuple[int, BadRow]]
    ) -> None:
        said = [(row, vote) for row in rows for vote in row.votes]
        if not said:
            return
        self._know_labellers({self._labeller(vote) for _, vote in said})
        comparison_ids = {ids[_pair(row)] for row, _ in said}
        # Locked in the order of ids, as everywhere; nobody is handed one of them while its counts change.
        locked = Comparison.objects.select_for_update(of=("self",)).filter(pk__in=comparison_ids).order_by("pk")
        comparisons = {comparison.pk: comparison for comparison in locked}
        known = self._known_ratings(comparison_ids)
        assignments, ratings = [], []
        for row, vote in said:
            comparison = comparisons[ids[_pair(row)]]
            labeller_id = self.labellers[self._labeller(vote)]
            preferred = _stored(row, vote)
            earlier = known.get((comparison.pk, labeller_id))
            if earlier is not None:
                if earlier != (preferred, vote.intensity):
                    who = vote.labeller or "The author of the rows"
                    reason = f"{who} has rated this pair otherwise already; the first one counts."
                    bad.append((row.line, BadRow(f"ratings[{row.parsed.votes.index(vote)}]", reason)))
                continue
            row.is_new = True
            known[comparison.pk, labeller_id] = (preferred, vote.intensity)
            assignment = Assignment(
                comparison=comparison,
                labeller_id=labeller_id,
                kind=AssignmentKind.IMPORTED,
                state=AssignmentState.SUBMITTED,
            )
            assignments.append(assignment)
            ratings.append(
                Rating(
                    comparison=comparison,
                    assignment=assignment,
                    labeller_id=labeller_id,
                    project=self.project,
                    preferred=preferred,
                    intensity=vote.intensity,
                    active_ms=None if vote.seconds is None else round(1000 * vote.seconds),
                    client_id=uuid.uuid5(_NAMESPACE, f"{self.project.pk}/{comparison.pk}/{labeller_id}"),
                    origin=RatingOrigin.IMPORTED,
                    created_at=timezone.now(),
                )
            )
            count(comparison, preferred, +1)
            comparison.n_taken += 1
            settle(comparison, self.project)
        Assignment.objects.bulk_create(assignments, batch_size=1000)
        Rating.objects.bulk_create(ratings, batch_size=1000)
        changed = {rating.comparison_id for rating in ratings}
        save_counts([comparison for pk, comparison in comparisons.items() if pk in changed])
        tally["ratings"] += len(ratings)

    def _labeller(self, vote: Vote) -> str:
        """Who spoke: the named labeller, or whoever wrote the chosen/rejected rows of this source."""
        return vote.labeller or (f"author of {self.run.source_name}" if self.run.source_name else "author of the rows")

    def _know_labellers(self, names: set[str]) -> None:
        unknown = names - self.labellers.keys()
        if unknown:
            users = external_users(namespace=self.project.slug, names=unknown, kind=UserKind.IMPORTED)
            self.labellers |= {name: user.pk for name, user in users.items()}

    @staticmethod
    def _known_ratings(comparison_ids: set[int]) -> dict[tuple[int, int], tuple[str, int | None]]:
        found = Rating.objects.filter(comparison_id__in=comparison_ids, superseded_by=None, is_repeat=False)
        return {
            (comparison_id, labeller_id): (preferred, intensity)
            for comparison_id, labeller_id, preferred, intensity in found.values_list(
                "comparison_id", "labeller_id", "preferred", "intensity"
            )
        }

    def _report(self, bad: list[tuple[int, BadRow]], tally: Counter[str]) -> None:
        tally["bad_rows"] += len({line for line, _ in bad})
        room = MAX_ERRORS - self.run.counts.get("bad_rows", 0)
        ImportError.objects.bulk_create(
            (
                ImportError(import_run=self.run, line=line, field=problem.field[:200], reason=problem.reason[:500])
                for line, problem in bad[: max(room, 0)]
            ),
            ignore_conflicts=True,
        )


def _ordered(row: _Row, i: int, j: int) -> tuple[int, int]:
    low, high = sorted((row.completion_ids[i], row.completion_ids[j]))
    return low, high


def _pair(row: _Row) -> tuple[int, int]:
    return _ordered(row, 0, 1)


def _stored(row: _Row, vote: Vote) -> str:
    """From the file's order to comparison order: a is the completion with the lower id."""
    if vote.preferred is None:
        return "tie"
    return "a" if row.completion_ids[vote.preferred] == min(row.completion_ids[:2]) else "b"
