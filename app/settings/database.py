"""Where the database is, and how it is reached."""

from pathlib import Path

from pydantic import Field

from app.settings.sections import Count, RootedPath, Seconds, Section


class DatabaseSettings(Section):
    url: str = Field("", validation_alias="DATABASE_URL", description="postgresql:// address; empty starts the embedded Postgres")
    direct_url: str = Field(
        "",
        validation_alias="DATABASE_DIRECT_URL",
        description="The same database without the pooler, where DATABASE_URL is a pool by transaction (pgbouncer); empty is DATABASE_URL",
    )
    data_dir: RootedPath = Field(
        Path(".data"), validation_alias="DATA_DIR", description="Folder of the embedded database and of files the server writes"
    )
    pool_size: Count = Field(20, ge=2, le=1_000, validation_alias="DATABASE_POOL_SIZE", description="Most connections a process opens")
    connect_seconds: Seconds = Field(
        5, validation_alias="DATABASE_CONNECT_SECONDS", description="How long a request waits for a connection"
    )
    statement_seconds: Seconds = Field(
        30, validation_alias="DATABASE_STATEMENT_SECONDS", description="How long one statement may take before it counts as failed"
    )
    migrate_on_start: bool = Field(
        False, validation_alias="MIGRATE_ON_START", description="Bring the schema up to date when the server starts; refused in production"
    )

    @property
    def is_pooled(self) -> bool:
        return bool(self.url and self.direct_url)

    def direct(self, url: str) -> str:
        """Where a connection to the database at `url` has a backend to itself: what listens, locks or migrates goes there."""
        return self.direct_url if self.is_pooled else url
