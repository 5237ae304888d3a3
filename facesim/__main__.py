"""`python -m facesim`: the command line."""

from facesim.cli import main

if __name__ == "__main__":
    main(prog_name="python -m facesim")
