"""`make bench NAME=fetch-pop3`: see `bench.fetch`."""

from bench.fetch import main

if __name__ == "__main__":
    main("pop3")
