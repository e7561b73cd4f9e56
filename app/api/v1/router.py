"""Version 1: the table of contents."""

from typing import Final

from fastapi import APIRouter

from app.api.errors import problems
from app.api.v1 import (
    admin,
    agents,
    api_keys,
    attachments,
    auth,
    chat,
    me,
    memories,
    messages,
    models,
    oidc,
    page,
    passwords,
    past,
    quota,
    runs,
    sessions,
    usage,
    webhooks,
)
from app.errors import (
    AppError,
    BodyTooLarge,
    BodyTooSlow,
    DatabaseUnavailable,
    InvalidInput,
    NotAuthenticated,
    RateLimited,
    UnsupportedMediaType,
)

EVERYWHERE: Final = problems(AppError, DatabaseUnavailable, InvalidInput, UnsupportedMediaType, BodyTooLarge, BodyTooSlow, RateLimited)
SIGNED_IN: Final = problems(NotAuthenticated)
router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

# FastAPI tries one route after the other, three times for each request: what is asked most comes first.
router.include_router(chat.router, prefix="/sessions/{session_id}", tags=["chat"], responses=SIGNED_IN)
router.include_router(auth.router, prefix="/auth", tags=["auth"])
router.include_router(passwords.router, prefix="/auth", tags=["auth"])
router.include_router(page.router, prefix="/auth/page", tags=["page"])
router.include_router(oidc.router, prefix="/auth/oidc", tags=["page"])
router.include_router(api_keys.router, prefix="/auth/api-keys", tags=["API keys"], responses=SIGNED_IN)
router.include_router(sessions.router, prefix="/sessions", tags=["sessions"], responses=SIGNED_IN)
router.include_router(past.router, prefix="/sessions/{session_id}", tags=["time travel"], responses=SIGNED_IN)
router.include_router(messages.router, prefix="/messages", tags=["chat"], responses=SIGNED_IN)
router.include_router(attachments.router, prefix="/attachments", tags=["attachments"], responses=SIGNED_IN)
router.include_router(runs.router, prefix="/runs", tags=["runs"], responses=SIGNED_IN)
router.include_router(memories.router, prefix="/memories", tags=["memories"], responses=SIGNED_IN)
router.include_router(agents.router, prefix="/agents", tags=["agents"], responses=SIGNED_IN)
router.include_router(models.router, prefix="/models", tags=["models"], responses=SIGNED_IN)
router.include_router(quota.router, prefix="/quota", tags=["usage"], responses=SIGNED_IN)
router.include_router(usage.router, prefix="/usage", tags=["usage"], responses=SIGNED_IN)
router.include_router(webhooks.router, prefix="/webhooks", tags=["webhooks"], responses=SIGNED_IN)
router.include_router(admin.router, prefix="/admin", tags=["admin"], responses=SIGNED_IN)
router.include_router(me.router, prefix="/me", tags=["me"], responses=SIGNED_IN)
