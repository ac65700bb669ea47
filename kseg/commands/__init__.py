"""The subcommands of `kseg`, one a file.

Each has a line of `HELP`, `add_arguments(command)` and `run(arguments)`, which returns
the exit code. Heavy imports wait until it runs, so that `kseg --help` answers at once.
"""
