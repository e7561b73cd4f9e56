"""One address is one account, however it is spelled."""

from typing import Final

import httpx

from tests.visitor import PASSWORD, Visitor

# As it is written, and as the account has it.
SPELLINGS: Final = {
    "  Eve@Example.COM ": "eve@example.com",
    "Eve <eve2@example.com>": "eve2@example.com",
    "eve@xn--exmple-cua.com": "eve@exämple.com",
    "u\u0308ve@example.com": "\u00fcve@example.com",
}


async def test_a_user_logs_in_with_every_spelling_of_their_email(stranger: Visitor) -> None:
    for written, normal in SPELLINGS.items():
        made = await stranger.http.post("/auth/register", json={"email": written, "password": PASSWORD})
        assert made.json()["user"]["email"] == normal
        again = await stranger.http.post("/auth/register", json={"email": normal, "password": PASSWORD})
        assert (again.status_code, again.json()["code"]) == (409, "email_taken")
        for email in (written, normal):
            let_in = await stranger.http.post("/auth/login", data={"username": email, "password": PASSWORD})
            assert let_in.status_code == httpx.codes.OK, email
