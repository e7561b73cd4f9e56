"""By what an address is counted, and what of it is written down."""

import pytest

from app.accounts.lockout import _blurred, _network


@pytest.mark.parametrize(
    ("address", "network", "blurred"),
    [
        ("192.0.2.17", "192.0.2.17", "192.0.2.0/24"),
        ("::ffff:192.0.2.17", "192.0.2.17", "192.0.2.0/24"),  # else all of IPv4 would be one address, and wait together
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("testclient", "testclient", None),
        (None, "", None),
    ],
)
def test_an_address_counts_for_its_line_and_is_blurred_in_the_log(address: str | None, network: str, blurred: str | None) -> None:
    assert (_network(address), _blurred(address)) == (network, blurred)
