"""How many ratings a comparison wants: a pure rule, decided in one place."""


def ratings_wanted(*, minimum: int, maximum: int, n_a: int, n_b: int, n_ties: int) -> int:
    """Ratings wanted in all, given the answers so far.

    The project's minimum first; then one more at a time while the leading answer is ahead of the next by less than two,
    so that a single further labeller could still undo it, up to the maximum. 3:0 and 3:1 stop, 2:1 and 2:2 go on.
    """
    answers = sorted((n_a, n_b, n_ties), reverse=True)
    n_ratings = sum(answers)
    if n_ratings < minimum:
        return minimum
    is_settled = answers[0] - answers[1] >= 2 or minimum == maximum
    return n_ratings if is_settled or n_ratings >= maximum else n_ratings + 1
