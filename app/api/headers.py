"""What every answer tells a browser: to take it for nothing but what it says it is, and to load, frame and send along nothing."""

from typing import Final

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response

type RawHeaders = list[tuple[bytes, bytes]]

_STANDING: Final[RawHeaders] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Of what is no page of ours a browser makes nothing; an answer may say otherwise for itself.
_NO_PAGE: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# What the API tells is somebody's own.
_NO_COPY: Final = (b"cache-control", b"no-store")
_HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")

# Nothing from elsewhere, no script or style that is not a file of ours, and no text that becomes HTML but through the sanitiser.
# Its blobs are images that it has fetched with its token.
PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "font-src", "connect-src")),
        "img-src 'self' blob:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
)
# Swagger writes HTML of its own, and its style sheet has images in it.
DOCS_POLICY: Final = PAGE_POLICY.partition("; require-trusted-types-for")[0].replace("blob:", "data:")


def hardened(headers: RawHeaders, *, private: bool, https_only: bool) -> RawHeaders:
    """The headers and those that all answers have; `https_only` when it must be asked for over TLS from now on."""
    said = {name.lower() for name, _ in headers}
    more = [header for header, wanted in ((_NO_PAGE, True), (_NO_COPY, private)) if wanted and header[0] not in said]
    return [*headers, *_STANDING, *more, _HTTPS_ONLY] if https_only else [*headers, *_STANDING, *more]


class Cors(CORSMiddleware):
    """Starlette's, whose answers to preflights are as hardened as all others."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        answer.raw_headers = hardened(answer.raw_headers, private=False, https_only=False)
        return answer
