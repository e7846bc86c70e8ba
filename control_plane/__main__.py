"""`python -m control_plane` is the command `gridwarden`."""

from control_plane.cli import main

main()
