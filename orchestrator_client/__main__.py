"""`python -m orchestrator_client` is `shopfloor`."""

from orchestrator_client.cli import main

main()
