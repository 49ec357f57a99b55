"""A Starlette application, as it is: any ASGI application is called `app`."""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"served": []}


async def index(request):
    await asyncio.sleep(0)
    request.state.served.append(request.query_params.get("name", "stranger"))
    return JSONResponse({"served": request.state.served})


app = Starlette(routes=[Route("/", index)], lifespan=lifespan)
