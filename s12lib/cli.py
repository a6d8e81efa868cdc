"""The command `s12`: a thin dispatcher."""

import sys


def main() -> None:
    from s12lib.recipe import RecipeCLI

    RecipeCLI(sys.argv[1:])


if __name__ == "__main__":
    main()
