# Everything a developer or an evaluator types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
BENCH = $(subst -,_,$(NAME))
SHOTS = $(abspath $(or $(SCREENS),.build/screens))
WALKS = $(addprefix tests/e2e/test_,pages.py people.py services.py first_run.py forums.py oauth.py submission.py \
  deleted_mailboxes.py ledger_page.py suppressed.py)
PROJECTS := pyproject.toml $(wildcard proto/*/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml)
export PYTHON

.PHONY: help up demo test test-containers check bench soak screens fmt schema lock clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1|/' | column -t -s '|'

$(STAMP): requirements.lock $(PROJECTS) deploy/local/bootstrap.sh
	@deploy/local/bootstrap.sh
	@touch $@

up: $(STAMP) ## start Postroom on this machine (installs what it needs first); Ctrl-C stops it
	@exec $(BIN)/postroom up

demo: $(STAMP) ## fill the running system (make up, in another terminal) with sample forums and mail
	@exec $(BIN)/postroom demo

# Tests start thousands of processes: compiled once, their modules are imported in half the time.
test: $(STAMP) ## run all tests (installs a browser, swaks, postfix, dovecot where it may); ARGS="-k word" for some
	@deploy/local/peers.sh
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(or $(WORKERS),3) --dist worksteal $(ARGS)

test-containers: $(STAMP) ## run the integration tests on Postgres and NATS in containers, where Docker can be had; ARGS=
	@deploy/local/peers.sh
	@PYTHONPATH=tests $(BIN)/python -m support.container_run $(ARGS)

check: $(STAMP) ## lint, format, types, architecture, schema and lock: all that needs no server
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m postroom_contract.schema --check
	@$(BIN)/python -W ignore -m postroom_api.openapi --check
	@$(BIN)/python -W ignore -m postroom_api.validation --check
	@$(BIN)/python -m postroom_api.wording --check
	@deploy/local/lock.sh --check

bench: $(STAMP) ## measure against a peer: NAME=smtp, outbound (Postfix), fetch-imap (mbsync), fetch-pop3 (mpop), rules (Pigeonhole), spam (bogofilter; SEEDS=10), config and log (targets), idle (bare connections); ROUNDS=7
	@deploy/local/peers.sh mbsync=isync mpop=mpop bogofilter=bogofilter
	@test -f "tests/bench/$(BENCH).py" || { echo "make bench NAME=smtp, outbound, fetch-imap, fetch-pop3, rules, spam, config, log or idle"; exit 2; }
	@PYTHONPATH=tests $(BIN)/python -m bench.$(BENCH)

soak: $(STAMP) ## the long form of a proof: NAME=reading (all corpora), ledger, smtp-ledger and fetch-kill (kills), described (API), archive (a list's mails in 20 orders), fetch-many (1,000 mailboxes), smtp-slots, view (all spam in a browser), powercut (needs root)
	@case "$(NAME)" in \
	  reading) tests=tests/integration/reading ;; \
	  ledger) tests=tests/e2e/test_ledger.py ;; \
	  archive) tests=tests/integration/forum_bridge/test_archive.py ;; \
	  described) tests=tests/e2e/test_described.py ;; \
	  fetch-kill) tests=tests/integration/fetcher/test_kills.py ;; \
	  fetch-many) tests=tests/integration/fetcher/test_many.py ;; \
	  smtp-ledger) tests=tests/integration/smtp/test_outbound_ledger.py ;; \
	  smtp-slots) tests=tests/integration/smtp/test_ways_out.py ;; \
	  view) tests=tests/integration/api/test_hostile_view.py ;; \
	  powercut) tests="tests/integration/test_powercut.py tests/e2e/test_powercut.py" ;; \
	  *) echo "make soak NAME=reading (every mail of ../shared/corpora), ledger, described, archive, fetch-kill, fetch-many, smtp-ledger, smtp-slots, view or powercut"; exit 2 ;; \
	esac; POSTROOM_SOAK=$(NAME) $(BIN)/python -m pytest -s --timeout=7200 $$tests $(ARGS)

screens: $(STAMP) ## walk through every page in a browser; pictures, and contact sheets of them, in SCREENS=directory
	@deploy/local/peers.sh
	@mkdir -p $(SHOTS)
	@POSTROOM_SCREENS=$(SHOTS) $(BIN)/python -m pytest -q -n 2 -k "walk or steps or permitted or page or signing or submits or join or moderator" $(WALKS)
	@PYTHONPATH=tests $(BIN)/python -m support.contact_sheets $(SHOTS)

fmt: $(STAMP) ## format and apply safe lint fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(STAMP) ## write again what is generated: JSON Schemas, the API's description (BREAKING=1), catalogues
	@$(BIN)/python -m postroom_api.wording --write
	@$(BIN)/python -m postroom_contract.schema --write
	@$(BIN)/python -W ignore -m postroom_api.openapi --write $(if $(BREAKING),--breaking)
	@$(BIN)/python -W ignore -m postroom_api.validation --write

lock: $(STAMP) ## resolve requirements.lock again after a change in a pyproject.toml
	@deploy/local/lock.sh

clean: ## remove the virtual environment and caches (never POSTROOM_HOME)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
