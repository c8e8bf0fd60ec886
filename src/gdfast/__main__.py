"""The command ``gdfast``, also as ``python -m gdfast``."""

import sys


def main() -> int:
    """Run the command; Ctrl-C ends it with a line, also while it is being loaded.

    Returns
    -------
    int
        Exit status: 130 after Ctrl-C, else that of `gdfast.cli.main`.
    """
    try:
        from gdfast import cli

        return cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("gdfast: interrupted\n")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
