"""Our own service, served by the very function behind `callcard serve`; settings come from the environment.

python -m bench.service PORT
"""

import sys

from app.cli.serving import serve
from app.config import load_settings

if __name__ == "__main__":
    serve(load_settings(env_file=None), "127.0.0.1", int(sys.argv[1]), 1)
