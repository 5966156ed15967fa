"""`python -m postroom_smtp`."""

from postroom_runtime.process import run
from postroom_smtp.app import start

if __name__ == "__main__":
    run("smtp", start)
