"""Who is this? The screen pop for a number without a call, and the plain name that telephone exchanges ask for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials

from app.dependencies import DbSession, HotlineNow, RuntimeOf, get_current_user, requires
from app.errors import NotSignedIn
from app.schemas.common import Line
from app.schemas.problem import problems
from app.schemas.screen_pop import ScreenPop
from app.services.access import Scope, ScopeMissing, Signed, who_by_token
from app.services.lookup import caller_name
from app.services.screen_pop import look_up

router = APIRouter(prefix="/lookup", tags=["lookup"])

LONGEST_NUMBER = 250
