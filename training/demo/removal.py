"""Taking the demo away: rows, jobs, files, and the models that the scorer serves for it."""

import json
import os
import shutil
import time
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet

from annotate.accounts.models import User, UserKind
from annotate.common.errors import DomainError
from annotate.imports.models import Import
from annotate.imports.services import forget_upload
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import request_cancel
from annotate.pool.models import Prompt
from annotate.projects.models import Membership, Pool, Project
from annotate.ratings.models import Adjudication, Flag, Rating
from annotate.ratings.services import purge
from training import artifacts
from training.demo.seed import ORIGIN, emails, hold_lock, labellers, sign_ins, summary
from training.policy.models import Checkpoint
from training.reward import registry
