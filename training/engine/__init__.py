"""Plain PyTorch from files to files, no Django: `python -m training.engine.<part> <verb> --config FILE`."""

import os

# GNU OpenMP's threads spin for milliseconds at every barrier. Where web, worker and scorer share the cores, spinning
# takes them from whoever would end the wait: two trainings side by side on two cores ran at 3,000 tokens/s each
# instead of 5,700. A short spin costs a lone training 4 %. It is read when torch loads, hence set before any import.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
