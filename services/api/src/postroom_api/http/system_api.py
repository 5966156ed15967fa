"""`/api/v1`: how the whole is."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from postroom_api.domain.values import Principal
from postroom_api.http.scoped import needs
from postroom_api.http.system import System, SystemDesk
from postroom_api.postgres.overview import Overview

Who = NamedDependency[Principal]
At = NamedDependency[SystemDesk]


@get(
    "/overview",
    operation_id="getOverview",
    summary="What one glance shows",
    **needs("messages:read"),
)
async def get_overview(who: Who, system: At) -> Overview:
    return await system.overview(who)


@get(
    "/system",
    operation_id="getSystem",
    summary="The state and settings of all parts",
    **needs("admin"),
)
async def get_system(who: Who, system: At) -> System:
    return await system.system(who)


HANDLERS: list[Any] = [get_overview, get_system]
