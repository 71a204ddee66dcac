# `make up` on a bare machine with Python 3.11+ and Node 20+; `make help` lists the rest.
# Variables of .env.example can be given here: `make up PORT=8001`.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help up dev test lint format bench prepare prepare-dev clean
PY := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# One command from the shell to manage.py, without make in between, so that Ctrl-C stops everything in order.
up: prepare ## install what is missing, then run everything until Ctrl-C
	@exec $(PY) manage.py up

dev: prepare-dev ## as up, and with code that reloads: the interface on port 5173, the server on 8000
	@exec $(PY) manage.py up --reload

test: prepare-dev ## every check and every test, in a real browser too
	@scripts/prepare browser
	@exec scripts/test

lint: prepare-dev ## ruff, mypy, import contracts, ESLint, TypeScript
	@exec scripts/test lint

format: prepare-dev ## put Python in order
	@$(PY) -m ruff check --fix . && $(PY) -m ruff format .

bench: prepare-dev ## every benchmark; each prints its table and this machine
	@scripts/prepare browser
	@set -e; for file in bench/*.py; do echo "== $$file"; $(PY) "$$file"; done

prepare: ## .venv and the built interface, without starting anything
	@scripts/prepare python frontend

prepare-dev: ## prepare, with the tools for tests
	@scripts/prepare python-dev frontend

clean: ## remove everything that is not in git: .venv, node_modules, and var/ WITH ITS DATABASE (asks first)
	@exec scripts/clean
