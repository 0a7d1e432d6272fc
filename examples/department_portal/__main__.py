"""`python -m examples.department_portal --port 8100 --hufu http://localhost:8000`."""

from __future__ import annotations

import argparse
import os

import uvicorn

from examples.department_portal.app import create_app
from examples.department_portal.config import Config


def main() -> None:
    """Serve the portal on loopback; client id and secret come from the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--hufu", default="http://localhost:8000", help="address of the Hufu service")
    arguments = parser.parse_args()
    config = Config(
        hufu=arguments.hufu.rstrip("/"),
        own_address=f"http://localhost:{arguments.port}",
        client_id=os.environ.get("HUFU_PORTAL_CLIENT_ID", ""),
        client_secret=os.environ.get("HUFU_PORTAL_CLIENT_SECRET", ""),
    )
    uvicorn.run(create_app(config), host="127.0.0.1", port=arguments.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
