"""What a user may do with all that is kept of them: take it away, and have it erased."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, StreamingResponse

from app.api.deps import CallerDep, CurrentUser, ErasureDep, ExportsDep, OriginDep, RetentionDep, UsersDep
from app.api.errors import problems
from app.api.v1.me_schemas import Confirmation, ExportOut, ReceiptOut
from app.errors import ExportNotFound, LoginTooOld, ServerBusy, TooManyAttempts, Unavailable, WrongPassword
from app.persistence.accounts import User
from app.persistence.lifecycle import Export
from app.settings import RetentionSettings

router = APIRouter()

_ZIP: Final = "application/zip"
_LOOK_AGAIN_SECONDS: Final = 2
_PLACE: Final = "/api/v1/me/export"


@router.post("/export", status_code=202)
async def ask_for_export(user: CurrentUser, exports: ExportsDep, retention: RetentionDep, response: Response) -> ExportOut:
    """Have a ZIP of all that is kept of oneself made; `GET me/export` hands it out once it is ready. A new one replaces the one before."""
    export = await exports.ask(user.id)
    response.headers["Location"] = _PLACE
    return _export(export, retention)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses=problems(ExportNotFound)
    | {200: {"description": "The ZIP", "content": {_ZIP: {}}}, 202: {"description": "It is being made", "model": ExportOut}},
)
async def read_export(user: CurrentUser, exports: ExportsDep, retention: RetentionDep) -> Response:
    """The ZIP that was asked for; 202 as long as it is being made."""
    export = await exports.find(user.id)
    if export.bytes is None:
        content = _export(export, retention).model_dump(mode="json")
        return JSONResponse(content, status_code=202, headers={"Retry-After": str(_LOOK_AGAIN_SECONDS)})
    headers = {
        "Content-Disposition": f'attachment; filename="milepost-export-{export.created_at:%Y-%m-%d}.zip"',
        "Content-Length": str(export.bytes),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(exports.pieces(export.id), media_type=_ZIP, headers=headers)


async def _confirmed(caller: CallerDep, confirmation: Confirmation, users: UsersDep, origin: OriginDep) -> User:
    await users.confirm(caller, confirmation.password, origin)
    return caller.user


@router.delete("", responses=problems(WrongPassword, LoginTooOld, TooManyAttempts, ServerBusy, Unavailable))
async def erase_me(user: Annotated[User, Depends(_confirmed)], erasure: ErasureDep) -> ReceiptOut:
    """Erase the account and all that is kept of it, for good. What is being answered is stopped, and no token works any more."""
    return ReceiptOut.model_validate(await erasure.erase(user.id), from_attributes=True)


def _export(export: Export, retention: RetentionSettings) -> ExportOut:
    return ExportOut(
        id=export.id,
        status="being_made" if export.bytes is None else "ready",
        bytes=export.bytes,
        created_at=export.created_at,
        expires_at=export.created_at + timedelta(hours=retention.export_hours),
    )
