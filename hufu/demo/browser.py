"""A browser without a window: keeps cookies, reads forms, sends them as a person would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

MAX_HOPS = 10


class PageProblem(Exception):
    """A page was not the one expected; the message says what it showed."""


@dataclass(slots=True)
class Form:
    """One form of a page: where it goes and what it holds already."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.refresh = ""
        self.texts: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
            self._open = True
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.refresh = given.get("content", "").partition("url=")[2]
        elif tag == "input" and self._open and "name" in given:
            self._input(given)

    def _input(self, given: dict[str, str]) -> None:
        form, name, value = self.forms[-1], given["name"], given.get("value", "")
        if given.get("type") in {"radio", "checkbox"}:
            form.choices.setdefault(name, []).append(value)
            if "checked" not in given:
                return
        if given.get("type") != "file":
            form.values[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


@dataclass(frozen=True, slots=True)
class Page:
    """What came back: the address it stands at, its forms and its words."""

    url: str
    status: int
    content: bytes
    forms: tuple[Form, ...]
    text: str
    left_for: str = ""
    """The address outside the service the browser was sent to, if it was."""

    def form(self, path: str) -> Form:
        """Return the form that posts to a path (or to one beneath it)."""
        for form in self.forms:
            if urlsplit(form.action).path.startswith(path):
                return form
        message = f"{self.url} ({self.status}) has no form for {path}; it says: {self.text[:400]}"
        raise PageProblem(message)


class Browser:
    """One person's browser at one service."""

    def __init__(self, client: httpx2.Client, base: str) -> None:
        """Take a client of its own (it holds the cookies) and the service's address."""
        self._client = client
        self._base = base

    def open(self, address: str) -> Page:
        """Follow an address to the page it ends at."""
        url = urljoin(self._base + "/", address)
        for _ in range(MAX_HOPS):
            if not url.startswith(self._base + "/"):
                return Page(url, 0, b"", (), "", left_for=url)
            response = self._client.get(url)
            following = response.headers.get("location") or self._refresh(response)
            if not following:
                return self._page(response)
            url = urljoin(url, following)
        message = f"{address} sends the browser round in circles"
        raise PageProblem(message)

    def send(
        self,
        page: Page,
        path: str,
        values: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Page:
        """Fill a page's form and send it."""
        form = page.form(path)
        url = urljoin(page.url, form.action)
        response = self._client.post(
            url, data={**form.values, **values}, files=dict(files) if files else None, headers={"origin": self._base}
        )
        following = response.headers.get("location") or self._refresh(response)
        return self.open(urljoin(url, following)) if following else self._page(response)

    def _refresh(self, response: httpx2.Response) -> str:
        return _read(response).refresh

    def _page(self, response: httpx2.Response) -> Page:
        reader = _read(response)
        return Page(
            str(response.url), response.status_code, response.content, tuple(reader.forms), " ".join(reader.texts)
        )


def _read(response: httpx2.Response) -> _Reader:
    reader = _Reader()
    if response.headers.get("content-type", "").startswith("text/html"):
        reader.feed(response.text)
    return reader
