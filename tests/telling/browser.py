"""A browser without script: cookies, and forms that are filled in as they stand in the page."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

PASSWORD = "seven copper kettles on a moor"


class Forms(HTMLParser):
    """The forms of a page: where each is sent, and what it is filled in with."""

    def __init__(self, page: str, html: str) -> None:
        super().__init__()
        self._page = urlsplit(page).path
        self._form: dict[str, str] | None = None
        self.all: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        marks = dict(pairs)
        if tag == "form":
            self._form = {}
            self.all.append((marks.get("action") or self._page, self._form))
        elif tag == "input" and self._form is not None and marks.get("name"):
            is_choice = marks.get("type") in ("checkbox", "radio")
            if not is_choice or "checked" in marks:
                self._form[marks["name"]] = marks.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class Browser:
    def __init__(self, base: str) -> None:
        self.base = base
        self._session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self._session.get(urljoin(self.base, path), timeout=30, allow_redirects=False)

    def send(
        self, page: str, action: str | None = None, leads_to: int = 303, **typed: str
    ) -> requests.Response:
        """Opens a page and sends its form to `action`; it must be taken."""
        shown = self.get(page)
        assert shown.status_code == 200, f"{page}: {shown.status_code} {shown.text[:300]}"
        wanted = action or urlsplit(page).path
        for to, fields in Forms(page, shown.text).all:
            if to == wanted:
                return self._submit(to, {**fields, **typed}, leads_to)
        raise AssertionError(f"{page} has no form to {wanted}")

    def _submit(self, to: str, fields: dict[str, str], leads_to: int) -> requests.Response:
        headers = {"sec-fetch-site": "same-origin"}
        sent = self._session.post(
            urljoin(self.base, to), fields, headers=headers, timeout=30, allow_redirects=False
        )
        assert sent.status_code == leads_to, f"{to}: {sent.status_code} {sent.text[:3000]}"
        return sent

    def join(self, path: str, name: str) -> None:
        self.send(path, name=name, password=PASSWORD)

    def sign_in(self, address: str) -> None:
        self.send("/sign-in", email=address, password=PASSWORD)
