"""Generation: completions of the pool's prompts from a chosen mix of sources, as candidates of comparisons."""
