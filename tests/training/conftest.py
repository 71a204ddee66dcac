from tests.cast import cast, comparisons

__all__ = ["cast", "comparisons"]
