# Everything CI runs is a target here. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install demo test soak check lint types imports docs examples frozen freeze audit bench clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   := build/demo
SUITE  ?= scenarios simulator wide upworthy ope aes autoco drift ablation latency throughput
# Published data, by suite; a suite is left out where its data are not found.
PUBLISHED      := $(or $(GENCO_DATA),../shared/data)
NEED_DATA      := upworthy aes autoco
TABLE_upworthy := $(firstword $(wildcard $(PUBLISHED)/upworthy/*.parquet))
TABLE_aes      := $(wildcard $(PUBLISHED)/aes)
TABLE_autoco   := $(wildcard $(PUBLISHED)/autoco)

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(STAMP)  ## virtual environment in .venv with the extras dev, embed, peers, postgres and otel

# torch first and alone, so that the cap is met before anything else can pull in another version of it
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "genco needs Python 3.11 or later. Found " + sys.version)'
	@echo "==> [1/3] virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "==> [2/3] torch (the largest package: a few minutes on a slow line)"
	$(BIN)/python -m pip install --disable-pip-version-check 'torch>=2.6,<2.14'
	@echo "==> [3/3] genco and the extras dev, embed, peers, postgres, otel"
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev,embed,peers,postgres,otel]'
	@touch $@
	@echo "==> installed; the command is $(BIN)/genco"

demo: install  ## simulate, train both stages, rank combinations, write an HTML report
	@echo "==> [1/5] simulate: a log of 600,000 impressions of 500 product cards"
	rm -rf $(DEMO)
	$(BIN)/genco simulate --scenario jd_card --impressions 600000 --seed 1 --out $(DEMO)/data
	@echo "==> [2/5] train: reward model, then generator"
	$(BIN)/genco train --data $(DEMO)/data --out $(DEMO)/run --config tools/demo.toml
	@echo "==> [3/5] evaluate against the simulator's truth"
	$(BIN)/genco evaluate --run $(DEMO)/run --data $(DEMO)/data --requests 40
	@echo "==> [4/5] the five best combinations of the first product"
	$(BIN)/genco generate --run $(DEMO)/run --product "$$($(BIN)/python tools/first_product.py $(DEMO)/data)" -k 5
	@echo "==> [5/5] report"
	$(BIN)/genco report --run $(DEMO)/run --data $(DEMO)/data --out $(DEMO)/report.html
	@echo "==> done. Open $(CURDIR)/$(DEMO)/report.html"

# One thread per worker: two workers on two cores are faster than two workers that fight over them.
test: install  ## every test but the soak
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'not soak'

soak: install  ## kills and load, in full
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m soak

check: lint types imports docs examples frozen  ## format, lint, types, import contract, docs and their examples, frozen lists
	@echo "==> all checks passed"

lint: install  ## ruff format --check and ruff check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install  ## mypy --strict src
	$(BIN)/mypy --strict src

imports: install  ## the import contract
	$(BIN)/lint-imports

docs: install  ## build the documentation into site/
	$(BIN)/zensical build --clean --strict

examples: install  ## run the examples marked as runnable in README.md and docs/
	OMP_NUM_THREADS=2 $(BIN)/python tools/doc_examples.py README.md docs

frozen: install  ## compare the public API and the command line with tests/golden
	$(BIN)/python tools/frozen_lists.py

freeze: install  ## rewrite tests/golden/public_api.txt, tests/golden/cli.txt and docs/reference/cli.md
	$(BIN)/python tools/frozen_lists.py --write

audit: install  ## known vulnerabilities of what is installed; asks the Python Package Index, so it needs a network
	$(BIN)/python tools/audit.py

bench: install $(addprefix bench-,$(SUITE))  ## the benchmark suites in quick form, or one: make bench SUITE=latency

bench-%: install
	@if [ -n "$(filter $*,$(NEED_DATA))" ] && [ -z "$(TABLE_$*)" ]; then \
	  echo "==> $*: left out, its data were not found; set GENCO_DATA to the folder that holds them"; \
	else \
	  echo "==> $*"; \
	  rm -rf build/bench/$*; \
	  $(BIN)/genco bench $* --quick $(if $(TABLE_$*),--table $(TABLE_$*)) --out build/bench/$*; \
	fi

clean:  ## remove what the targets made, the virtual environment included
	rm -rf build site dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
