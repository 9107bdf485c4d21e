"""The fuzzer as a program: `PYTHONPATH=tests python -m fuzz --minutes 60`."""

from fuzz.long_run import main

if __name__ == "__main__":
    main()
