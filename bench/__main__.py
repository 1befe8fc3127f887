"""`python -m bench [NAME ...]`: the named benchmarks. Without a name all of them, written to docs/performance.md."""

import sys
from collections.abc import Callable

from bench import copies, federation, folder_sync, snapshots, sync_path, web_servers
from bench.harness import ROOT
from bench.results import RESULTS

BENCHMARKS: dict[str, tuple[str, Callable[[], None]]] = {
    "sync_path": ("The sync path", sync_path.main),
    "snapshots": ("Snapshots", snapshots.main),
    "copies": ("Copies of snapshots in a bucket, beside restic", copies.main),
    "federation": ("Summaries of agents", federation.main),
    "web_servers": ("Beside other servers of files", web_servers.main),
    "folder_sync": ("The client: a folder that is kept in step", folder_sync.main),
}
DOCUMENT = ROOT / "docs" / "performance.md"


def main() -> None:
    names = sys.argv[1:]
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"no benchmark {name}; there are: {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        RESULTS.benchmark = name
        BENCHMARKS[name][1]()
    if not names:
        RESULTS.write(DOCUMENT, {name: title for name, (title, _) in BENCHMARKS.items()})
        print(f"written to {DOCUMENT}")


if __name__ == "__main__":
    main()
