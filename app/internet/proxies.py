"""The proxy that this machine wants asked for an address."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(base_url: str) -> str | None:
    """The proxy that the environment names for this address.

    With aiohttp's `trust_env`, asking for it costs more than all the rest of a request, and a login in ~/.netrc contradicts our key.
    """
    address = urlsplit(base_url)
    return None if proxy_bypass(address.netloc.rpartition("@")[2]) else getproxies().get(address.scheme)
