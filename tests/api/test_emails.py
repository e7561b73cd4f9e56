"""One address is one account, however it is spelled."""

import httpx
import pytest

from tests.visitor import PASSWORD, Visitor

SPELLINGS = {
    "case and spaces": ("  Eve@Example.COM ", "eve@example.com"),
    "a domain in ASCII": ("eve@xn--exmple-cua.com", "eve@exämple.com"),
    "accents as characters of their own": ("u\u0308ve@example.com", "üve@example.com"),
    "with a name": ("Eve <eve@example.com>", "eve@example.com"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_user_logs_in_with_every_spelling_of_their_email(spelling: str, stranger: Visitor) -> None:
    written, normal = SPELLINGS[spelling]
    made = await stranger.http.post("/auth/register", json={"email": written, "password": PASSWORD})
    assert made.json()["user"]["email"] == normal
    for email in (written, normal):
        again = await stranger.http.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert (again.status_code, again.json()["code"]) == (409, "email_taken")
        let_in = await stranger.http.post("/auth/login", data={"username": email, "password": PASSWORD})
        assert let_in.status_code == httpx.codes.OK
