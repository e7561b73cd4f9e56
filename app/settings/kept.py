"""What is kept of what users send, and for how long."""

from typing import Literal

from pydantic import Field

from app.settings.sections import Bytes, Days, Hours, Section


class AttachmentSettings(Section):
    max_bytes: Bytes = Field(
        10_000_000,
        le=100_000_000,
        validation_alias="ATTACHMENT_MAX_BYTES",
        description="Largest image or text file that may be sent with a message",
    )
    kept_in: Literal["database", "folder"] = Field(
        "database",
        validation_alias="ATTACHMENTS",
        description="Where new ones are kept: database, or folder, one under DATA_DIR that all servers must share",
    )
    unsent_hours: Hours = Field(
        24, validation_alias="ATTACHMENT_UNSENT_HOURS", description="How long one is kept that no message has, or no longer has"
    )


class RetentionSettings(Section):
    session_days: Days = Field(
        0, validation_alias="SESSION_DAYS", description="How long a session is kept after its last message; 0 is for ever"
    )
    audit_days: Days = Field(
        1095, validation_alias="AUDIT_DAYS", description="How long the audit log is kept, with the receipts of erasures; 0 is for ever"
    )
    export_hours: Hours = Field(24, validation_alias="EXPORT_HOURS", description="How long a user's export can be fetched")
