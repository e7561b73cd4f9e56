"""How agents reach the web."""

from pydantic import Field

from app.settings.sections import Bytes, Count, Seconds, Section, WebAddress


class WebSettings(Section):
    search_url: WebAddress = Field(
        "",
        validation_alias="WEB_SEARCH_URL",
        description="A search of SearXNG's JSON form, https://host/search say; empty asks public search engines",
    )
    search_results: int = Field(
        5, ge=1, le=20, validation_alias="WEB_SEARCH_RESULTS", description="Most results a web search hands the model"
    )
    search_seconds: Seconds = Field(8, validation_alias="WEB_SEARCH_SECONDS", description="How long a web search may take")
    page_seconds: Seconds = Field(10, validation_alias="WEB_PAGE_SECONDS", description="How long fetching a web page may take")
    page_bytes: Bytes = Field(
        2_000_000, le=100_000_000, validation_alias="WEB_PAGE_BYTES", description="Largest web page that is read, unpacked"
    )
    page_characters: Count = Field(8_000, validation_alias="WEB_PAGE_CHARACTERS", description="Text of one page that a model is given")
    allow_private: bool = Field(
        False,
        validation_alias="WEB_ALLOW_PRIVATE",
        description="Fetch pages from private addresses too, for an intranet: users then reach whatever this server can",
    )
