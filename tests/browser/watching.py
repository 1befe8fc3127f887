"""What a browser meets on the way through the pages of a hub."""

from urllib.parse import urldefrag, urljoin, urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

CUT_OFF = "net::ERR_ABORTED"
HARMLESS = ("data:", "blob:", "about:")


class Watch:
    """Notes every fault of a page from its start on, and the addresses that it links to, here and elsewhere."""

    def __init__(self, page: Page, hub_url: str) -> None:
        self.faults: list[str] = []
        self.links: set[str] = set()
        self.links_elsewhere: set[str] = set()
        self._hub = urlsplit(hub_url).netloc
        self._page = page
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._note("script error", str(error)))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def visit(self, url: str) -> None:
        """Opens a page, waits until it is quiet, and collects its links."""
        self._page.goto(url, wait_until="networkidle")
        self.collect()

    def collect(self) -> None:
        """The links of the page as it stands."""
        addresses = self._page.eval_on_selector_all("a[href]", "found => found.map(one => one.getAttribute('href'))")
        for address in addresses:
            target = urldefrag(urljoin(self._page.url, address)).url
            if urlsplit(target).scheme in ("http", "https"):
                (self.links if urlsplit(target).netloc == self._hub else self.links_elsewhere).add(target)

    def _note(self, kind: str, what: str) -> None:
        self.faults.append(f"{self._page.url}: {kind}: {what[:300]}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console {message.type}", message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(HARMLESS) and urlsplit(request.url).netloc != self._hub:
            self._note("request to another host", request.url)

    def _on_failure(self, request: Request) -> None:
        # A page that follows a job asks once a second; what the next page cuts off is no fault.
        if not (request.failure == CUT_OFF and urlsplit(request.url).path.endswith("/live/")):
            self._note("failed request", f"{request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self._note("refused request", f"{response.status} {response.url}")
