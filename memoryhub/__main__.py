"""`python -m memoryhub` is the command line."""

from memoryhub.cli import main

if __name__ == "__main__":
    main()
