# The verbs. They work in .venv, which scripts/environment.py makes and keeps up to date, unless PYTHON names another
# environment that has Causal: make test PYTHON=/path/to/python

ifdef PYTHON
ready =
else
PYTHON := .venv/bin/python
ready = @python=$$(scripts/find-python) && "$$python" scripts/environment.py $(1)
endif

.PHONY: help demo run test test-wine check bench soak soak-engine fmt

help:
	@echo "make demo        plays a recording through Causal and shows the live transcript"
	@echo "make run         starts Causal for daily use; Ctrl-C stops it"
	@echo "make test        all tests; make test TESTS=\"-m 'not live'\" for the quick ones"
	@echo "make test-wine   tests for Windows, under Wine; make test-wine TESTS=tests/windows/test_clock.py"
	@echo "make check       ruff and mypy"
	@echo "make bench       measures, and writes bench/results"
	@echo "make soak        lets things fail for MINUTES=60 with SEED=1, and writes bench/results/soak.md"
	@echo "make soak-engine kills and freezes the local engine and others for MINUTES=12 while real speech plays"
	@echo "make fmt         formats the code"

demo:
	$(call ready)
	@$(PYTHON) scripts/demo.py

run:
	$(call ready)
	@$(PYTHON) scripts/run.py

test:
	$(call ready,test)
	$(PYTHON) -m pytest $(TESTS)

test-wine:
	$(call ready,test)
	$(PYTHON) scripts/wine.py $(TESTS)

check:
	$(call ready,test)
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy --platform win32 --cache-dir .mypy_cache/win32
	$(PYTHON) -m mypy --platform darwin --cache-dir .mypy_cache/darwin
	MYPYPATH=scripts:bench $(PYTHON) -m mypy scripts bench

bench:
	$(call ready,test)
	$(PYTHON) bench/stack.py
	$(PYTHON) bench/journal.py
	$(PYTHON) bench/devices.py
	$(PYTHON) bench/resample.py
	$(PYTHON) bench/engine.py
	$(PYTHON) bench/wer.py
	$(PYTHON) bench/wer_pulse.py
	$(PYTHON) bench/web.py

soak:
	$(call ready,test)
	$(PYTHON) bench/soak.py --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1)

soak-engine:
	$(call ready,test)
	$(PYTHON) bench/engine_faults.py --minutes $(or $(MINUTES),12) --seed $(or $(SEED),1)

fmt:
	$(call ready,test)
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format
