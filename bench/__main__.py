"""`python -m bench [NAME ...]`: runs the named benchmarks, all without a name."""

import sys

from bench import folder_sync, sync_path

BENCHMARKS = {"sync_path": sync_path.main, "folder_sync": folder_sync.main}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"no benchmark {name}; there are: {', '.join(BENCHMARKS)}")
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
