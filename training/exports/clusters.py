"""Clusters of like prompts, so that a comparison set can keep any one of them from taking over.

Words and pairs of words of a prompt's messages, hashed and weighed by tf-idf, 64 dimensions of them (latent semantic
analysis, Deerwester et al. 1990), k-means with k = √(n / 2). Deterministic: the same prompts give the same clusters.
"""

import math
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from annotate.accounts.models import User
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from annotate.pool.models import Prompt
from annotate.projects.models import Pool, Project

MOST_CLUSTERS = 1_000
DIMENSIONS = 64
FEATURES = 2**18
WRITTEN_AT_ONCE = 5_000


@transaction.atomic
def request_clusters(*, project: Project, created_by: User | None) -> Job:
    """Queue the job that sorts the prompts of the project's pool."""
    return enqueue(
        kind="cluster", title="Sort prompts into clusters", project=project, params={}, created_by=created_by
    )


def cluster_prompts(*, pool: Pool, context: JobContext) -> dict[str, int]:
    """Give every prompt of a pool its cluster. Texts are streamed; memory holds 64 numbers a prompt and its hashes."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.preprocessing import normalize

    ids: list[int] = []

    def texts() -> Iterator[str]:
        rows = Prompt.objects.filter(pool=pool).order_by("pk").values_list("pk", "messages")
        for pk, messages in rows.iterator(chunk_size=2_000):
            ids.append(pk)
            if len(ids) % 5_000 == 0:
                context.progress(len(ids), None, unit="prompts", message="reading prompts")
            yield "\n".join(message["content"] for message in messages)

    hashing = HashingVectorizer(n_features=FEATURES, ngram_range=(1, 2), alternate_sign=False)
    hashed = hashing.transform(texts())
    n = len(ids)
    k = min(MOST_CLUSTERS, max(1, round(math.sqrt(n / 2))))
    if n == 0:
        return {"prompts": 0, "clusters": 0}
    weighed = TfidfTransformer().fit_transform(hashed)
    features: Any = weighed
    if n > DIMENSIONS:
        features = normalize(TruncatedSVD(DIMENSIONS, random_state=0).fit_transform(weighed))
    found = MiniBatchKMeans(k, random_state=0, n_init=3, batch_size=4096).fit_predict(features).tolist()
    for start in range(0, n, WRITTEN_AT_ONCE):
        part = slice(start, start + WRITTEN_AT_ONCE)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE pool_prompt SET cluster = made.cluster"
                " FROM unnest(%s::bigint[], %s::int[]) AS made (id, cluster) WHERE pool_prompt.id = made.id",
                [ids[part], found[part]],
            )
        context.progress(min(start + WRITTEN_AT_ONCE, n), n, unit="prompts", message="writing clusters")
    return {"prompts": n, "clusters": len(set(found))}
