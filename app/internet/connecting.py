"""Connections to the public internet and to nowhere else."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.abc import AbstractResolver

from app.internet.addresses import PublicResolver, public_socket


@asynccontextmanager
async def open_guarded(
    *, allow_private: bool, connections: int, headers: Mapping[str, str], resolver: AbstractResolver | None = None
) -> AsyncGenerator[aiohttp.ClientSession]:
    """With no cookies, no proxies, and no connection that is used twice: a name is resolved and checked for each.

    An address that is not public is a WebError. What is asked for must have passed `checked_url`; redirects are the caller's to look at.
    """
    names = resolver or aiohttp.ThreadedResolver()
    connector = aiohttp.TCPConnector(
        limit=connections,
        force_close=True,
        use_dns_cache=False,
        resolver=names if allow_private else PublicResolver(names),
        socket_factory=None if allow_private else public_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers, trust_env=False, auto_decompress=False
    ) as session:
        yield session
