"""`gridwarden policy`: what decides, and why it decided so; how a policy is made, proven, and brought to all."""

import typer

from control_plane.cli.policy import build, coverage, explain, publish, sign, test, verify

app = typer.Typer(no_args_is_help=True, help="The policy that decides: build, sign, verify, test and publish it; "
                                             "explain its decisions.")
for command in (build.build, sign.sign, verify.verify, coverage.coverage, publish.publish, explain.explain):
    app.command()(command)
app.command("test")(test.check_cases)
