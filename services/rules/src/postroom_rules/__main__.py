"""`python -m postroom_rules`."""

from postroom_rules.app import start
from postroom_runtime.process import run

if __name__ == "__main__":
    run("rules", start)
