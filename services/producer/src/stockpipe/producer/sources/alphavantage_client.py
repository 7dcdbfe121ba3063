"""The calls to Alpha Vantage. Its refusals come with status 200, so the body is classified before it is parsed."""

from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from stockpipe.producer.sources.base import Payload, refused_with
from stockpipe.producer.sources.errors import BadPayload, NoData, RateLimited, SourceError, SourceUnavailable
from stockpipe.producer.sources.meter import Meter

SOURCE = "alphavantage"
URL = "https://www.alphavantage.co/query"
TIMEOUT_SECONDS = 10.0
META = "Meta Data"


class AlphaVantageClient:
    """Asks, and returns bodies that hold what was asked for."""

    def __init__(self, key: SecretStr, meter: Meter, transport: httpx.BaseTransport | None = None) -> None:
        self._key = key
        self._meter = meter
        self._http = httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS)

    def ask(self, symbol: str, wanted: str, **parameters: str) -> bytes:
        """Return the body of an answer that has the part `wanted`.

        Raises:
            SourceError: it has not; refusals are told apart by their words. The key is in no message.
        """
        self._meter.before()
        try:
            response = self._http.get(
                URL, params={**parameters, "symbol": symbol, "apikey": self._key.get_secret_value()}
            )
        except httpx.HTTPError as error:
            self._meter.after(None)
            raise SourceUnavailable(
                SOURCE, symbol, f"no answer from Alpha Vantage: {self._safe(str(error) or type(error).__name__)}"
            ) from None
        self._meter.after(response.status_code)
        status, body = response.status_code, response.content
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise RateLimited(SOURCE, symbol, "Alpha Vantage answered 429, too many requests")
        if status != httpx.codes.OK:
            raise SourceUnavailable(SOURCE, symbol, f"Alpha Vantage answered {status}")
        with refused_with(Payload("", body.replace(self._key.get_secret_value().encode(), b"***"))):
            try:
                answer = msgspec.json.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadPayload(SOURCE, symbol, f"the answer isn't JSON: {error}") from None
            if refused := self._refusal(symbol, wanted, answer):
                raise refused
        return body

    def _refusal(self, symbol: str, wanted: str, answer: Any) -> SourceError | None:
        if not isinstance(answer, dict):
            return BadPayload(SOURCE, symbol, f"the answer is a {type(answer).__name__}, not an object")
        if text := answer.get("Error Message"):
            if "apikey" in str(text).lower():
                return SourceUnavailable(SOURCE, symbol, "the key is refused; check ALPHA_VANTAGE_API_KEY")
            return NoData(SOURCE, symbol, f"Alpha Vantage says: {self._safe(str(text))}", disowned=True)
        if text := answer.get("Note") or answer.get("Information"):
            return self._throttled(symbol, str(text))
        if META not in answer or wanted not in answer:
            keys = ", ".join(sorted(map(str, answer))) or "none"
            return BadPayload(SOURCE, symbol, f"the answer has no {META!r} and {wanted!r}, only: {keys[:200]}")
        return None

    def _throttled(self, symbol: str, text: str) -> SourceError:
        words = text.lower()
        if "premium endpoint" in words or "premium feature" in words:
            return SourceUnavailable(SOURCE, symbol, "the key's plan doesn't include this; check ALPHA_VANTAGE_PLAN")
        if "demo" in words:
            return SourceUnavailable(SOURCE, symbol, "the key is refused; check ALPHA_VANTAGE_API_KEY")
        return RateLimited(SOURCE, symbol, f"Alpha Vantage says: {self._safe(text)}")

    def _safe(self, text: str) -> str:
        """Return the text in one line, without the key: Alpha Vantage repeats it in its refusals."""
        return " ".join(text.replace(self._key.get_secret_value(), "***").split())[:200]
