"""The internet as this server reaches it on behalf of others: public addresses only, whoever names them."""


class WebError(Exception):
    """Why there is no result, page or answer, in words for models and people."""
