"""``python -m libdama``: the command line's main jobs, with Parquet in and out."""

from ._command import main

if __name__ == "__main__":
    raise SystemExit(main())
