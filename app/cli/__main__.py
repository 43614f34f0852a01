"""`python -m app.cli`: the same as `callcard`, for where the script is not on the path."""

from app.cli import app

app(prog_name="callcard")
