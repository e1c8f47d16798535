"""`python -m remediate`."""

from remediate.cli.app import main

main()
