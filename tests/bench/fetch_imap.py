"""`make bench NAME=fetch-imap`: see `bench.fetch`."""

from bench.fetch import main

if __name__ == "__main__":
    main("imap")
