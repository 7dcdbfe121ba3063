"""A bare FastAPI route that answers with the bytes of a file: python bare.py PORT FILE."""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

BODY = Path(sys.argv[2]).read_bytes()
app = FastAPI()


@app.get("/bare")
async def bare() -> Response:
    return Response(BODY, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
