"""What routes take from the application.

The functions are coroutines for speed: FastAPI calls plain ones in a thread.
"""

from fastapi import Request

from stockpipe.api.answers import Answers
from stockpipe.api.news import News
from stockpipe.api.problems import ApiProblem


async def answers_of(request: Request) -> Answers:
    """Return the maker of answers."""
    found: Answers = request.app.state.answers
    return found


async def news_of(request: Request) -> News:
    """Return what is known of new batches."""
    found: News = request.app.state.news
    return found


def known_symbol(request: Request, symbol: str) -> None:
    """Refuse a symbol that the warehouse doesn't have.

    Raises:
        ApiProblem: 404.
    """
    news: News = request.app.state.news
    if symbol not in news.symbols():
        raise ApiProblem(404, f"no symbol {symbol!r} is in the warehouse; /v1/symbols lists those that are")
