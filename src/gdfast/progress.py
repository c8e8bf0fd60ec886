"""A progress bar for runs that take longer than a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

DELAY_SECONDS = 1.0

Progress = Callable[[int, float], None]


@contextmanager
def progress_bar(max_iter: int) -> Iterator[Progress]:
    """Show a bar on stderr, from the first second on until the run ends.

    Parameters
    ----------
    max_iter : int
        Iterations at the end of the bar.

    Yields
    ------
    callable
        To be called with the iterations made so far and the mean loss.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "verbose=True needs tqdm: pip install 'gdfast[cli]'"
        ) from error
    with tqdm(
        total=max_iter, delay=DELAY_SECONDS, unit=" iterations", leave=False
    ) as bar:

        def show(n_iter: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.6g}", refresh=False)
            bar.update(n_iter - bar.n)

        yield show
