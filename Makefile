# libdama. `make demo` and `make test` are the main targets; `make help` lists all.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell sed -n 's/^\#define DAMA_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/dama/base.h | paste -sd.)
SOVERSION := $(shell sed -n 's/^\#define DAMA_ABI_VERSION //p' include/dama/base.h)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build
PYTHON := .deps/python/bin/python

# ONNX Runtime is opened at run time; the default is the wheel in our own environment.
# The path is looked up when a recipe runs, because on a fresh clone the environment is only created by then.
export DAMA_ONNXRUNTIME ?= $(shell ls $(CURDIR)/.deps/python/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.* 2>/dev/null | head -n 1)

# The flags that make libdama.so one self-contained file that exports only dama_*. They cannot be in Package.swift:
# with unsafeFlags there, no other package could depend on a version of this one.
#  - static-stdlib includes the Swift runtime; lld, because GNU ld leaks Swift symbols through `local: *`;
#  - nodelete, because the Swift runtime does not survive dlclose;
#  - hypotf, because glibc's is newer than everything else that the library needs (cdama_float.h).
# The command line shares the library's compiled modules, so its flags must differ only in -Xlinker.
SWIFT_BUILD := swift build -c release --scratch-path .build-so -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
SO_FLAGS := -Xlinker --version-script=$(CURDIR)/scripts/libdama.map \
	-Xlinker -soname=libdama.so.$(SOVERSION) -Xlinker -z -Xlinker nodelete -Xlinker --defsym=hypotf=cdama_hypotf
LIBRARY := $(BUILD)/lib/libdama.so.$(VERSION)
DIST := dama-$(VERSION)-linux-$(shell uname -m)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: bootstrap
bootstrap: ## install the requirements of building and testing (once)
	@scripts/bootstrap

.PHONY: build
build: bootstrap ## build libdama.so and the command line into build/
	$(SWIFT_BUILD) --product dama $(SO_FLAGS)
	$(SWIFT_BUILD) --product dama-cli
	@mkdir -p $(BUILD)/lib $(BUILD)/bin
	strip --strip-debug -o $(LIBRARY) .build-so/release/libdama.so
	ln -sf $(notdir $(LIBRARY)) $(BUILD)/lib/libdama.so.$(SOVERSION)
	ln -sf libdama.so.$(SOVERSION) $(BUILD)/lib/libdama.so
	strip --strip-debug -o $(BUILD)/bin/dama .build-so/release/dama-cli

# ----------------------------------------------------------------------------------------------------------------------
# The embedded world

.PHONY: build-world
build-world: bootstrap
	$(SWIFT_BUILD) --product shapes-world
	@mkdir -p $(BUILD)/bin
	strip --strip-debug -o $(BUILD)/bin/shapes-world .build-so/release/shapes-world

.PHONY: demo
demo: build build-world ## align a small LLaVA with DAMA and judge it, in minutes; writes build/demo/report.html
	scripts/demo $(BUILD) $(PYTHON)

.PHONY: reproduce
reproduce: build build-world ## repeat the paper's tables, and at other shares of wrong labels: make reproduce [NOISE=random-0.05]
	$(PYTHON) scripts/reproduce/reproduce.py --build $(BUILD) --out $(BUILD)/reproduce $(if $(NOISE),--noise $(NOISE))

# ----------------------------------------------------------------------------------------------------------------------
# Tests. Each part ends in a line `NAME: N passed, N failed`, or in its framework's summary; .ci/run adds them up.

.PHONY: test
test: test-swift test-abi test-python test-install test-examples ## run every test that needs no torch

# All tests run on the newest runtime, those that run models also on the oldest, because its kernels differ.
.PHONY: test-swift
test-swift: bootstrap
	swift test
	scripts/test-runtimes oldest

.PHONY: test-runtimes
test-runtimes: bootstrap ## run every test that runs a model on five older versions of ONNX Runtime and the newest
	swift build --build-tests
	scripts/bootstrap runtimes
	scripts/test-runtimes all

.PHONY: test-abi
test-abi: build
	Tests/ABI/run $(BUILD)

.PHONY: test-python
test-python: build
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python $(PYTHON) -m pytest -q bindings/python/tests Tests/Report Tests/Cuda Tests/Documentation
	cd bindings/python && $(CURDIR)/$(PYTHON) -m mypy --cache-dir $(CURDIR)/$(BUILD)/mypy
	MYPYPATH=scripts/report:scripts/reproduce:scripts $(PYTHON) -m mypy --strict --cache-dir $(BUILD)/mypy-report \
		scripts/report/report.py scripts/reproduce/reproduce.py scripts/generate_abi.py scripts/generate_settings.py
	MYPYPATH=scripts/site:scripts $(PYTHON) -m mypy --strict --cache-dir $(BUILD)/mypy-site scripts/site/repository.py scripts/site/slugs.py \
		scripts/site/*_page.py scripts/site/*_pages.py scripts/site/swift_symbols.py scripts/site/relocate.py scripts/site/check_links.py

.PHONY: test-install
test-install: dist wheel
	Tests/Install/run $(BUILD)/$(DIST).tar.gz $(BUILD)/wheels/libdama-$(VERSION)-*.whl

.PHONY: test-wheel
test-wheel: wheel ## test the wheel on every Python found, in root directories without the system's libraries
	Tests/Wheel/run $(BUILD)/wheels/libdama-$(VERSION)-*.whl

.PHONY: test-examples
test-examples: build
	Tests/Examples/run $(BUILD)

.PHONY: test-torch
test-torch: build ## run the tests and examples that compare with torch, in a separate environment
	scripts/bootstrap torch
	swift build --product TrainingProcess
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python -m pytest -q bindings/python/tests Tests/Torch
	Tests/Examples/run $(BUILD)

.PHONY: test-stacks
test-stacks: build ## run the tests and examples that need pyarrow, datasets, Ray, matplotlib or tqdm
	scripts/bootstrap stacks
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/stacks/bin/python -m pytest -q \
		bindings/python/tests/test_data.py bindings/python/tests/test_data_stacks.py bindings/python/tests/test_ray.py \
		bindings/python/tests/test_plot.py bindings/python/tests/test_progress.py
	Tests/Examples/run $(BUILD)

.PHONY: test-smollm2
test-smollm2: build ## run the part of test-torch that needs a real model, SmolLM2-135M-Instruct
	scripts/bootstrap torch
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python -m pytest -q -k smollm2 Tests/Torch

# NLTK's data is the user's: docs/words.md says where it is to be had.
.PHONY: test-words
test-words: bootstrap ## compare words with NLTK on its data: make test-words NLTK_DATA=FOLDER WORDNET=FOLDER
	scripts/bootstrap nltk
	swift build -c release --product WordsProcess
	Tests/Words/run .build/release/WordsProcess $(NLTK_DATA) $(WORDNET)

# The Python of an environment with torch for CUDA; DAMA_ONNXRUNTIME has to name a runtime with the CUDA provider.
CUDA_PYTHON ?= python3
.PHONY: check-cuda
check-cuda: build ## check and time a CUDA device: make check-cuda [PROVIDER=cuda:0] [CUDA_PYTHON=python3]
	$(CUDA_PYTHON) scripts/check-cuda --provider $(or $(PROVIDER),cuda)

.PHONY: bench
bench: build ## measure speed and memory, compared with torch and others
	scripts/bootstrap torch
	@for benchmark in Benchmarks/*.py; do echo "== $$benchmark"; \
		DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python $$benchmark || exit 1; done
	@if [ -e /dev/nvidia0 ]; then \
		DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python $(CUDA_PYTHON) Benchmarks/cuda/table.py; fi

# ----------------------------------------------------------------------------------------------------------------------
# Sanitizers and fuzzing

.PHONY: asan tsan ubsan
asan: bootstrap ## run the tests under AddressSanitizer and LeakSanitizer
	scripts/sanitize address
tsan: bootstrap ## run the tests under ThreadSanitizer
	scripts/sanitize thread
ubsan: bootstrap ## run the tests with the C parts under UndefinedBehaviorSanitizer
	scripts/sanitize undefined

SECONDS ?= 600
.PHONY: fuzz
fuzz: bootstrap ## fuzz the parsers: make fuzz [TARGET=JSON] [SECONDS=600]
	scripts/fuzz $(SECONDS) $(TARGET)

# ----------------------------------------------------------------------------------------------------------------------
# Installing

.PHONY: install
install: build install-only ## install into PREFIX (default /usr/local); DESTDIR is prepended to it

# Installs without building, for root after a user has run `make build`.
.PHONY: install-only
install-only:
	scripts/install $(DESTDIR)$(PREFIX) $(VERSION) $(SOVERSION)

.PHONY: dist
dist: build ## pack the installed tree as a relocatable archive
	rm -rf $(BUILD)/dist
	scripts/install $(BUILD)/dist/$(DIST) $(VERSION) $(SOVERSION)
	tar -C $(BUILD)/dist --owner=0 --group=0 --sort=name -czf $(BUILD)/$(DIST).tar.gz $(DIST)
	@echo $(BUILD)/$(DIST).tar.gz

.PHONY: wheel
wheel: build ## build the Python wheel for other machines, with all that it needs inside, into build/wheels/
	scripts/bootstrap wheel
	scripts/wheel $(BUILD) $(BUILD)/wheels

# ----------------------------------------------------------------------------------------------------------------------
# Documentation

.PHONY: docs
docs: ## build the documentation site into build/site
	scripts/bootstrap system headers docs
	scripts/site/build

# ----------------------------------------------------------------------------------------------------------------------
# Housekeeping

.PHONY: format
format: ## format the Swift code according to .swift-format
	scripts/format

.PHONY: lint
lint: ## fail if `make format` would change something, or the order of Package.swift is broken
	scripts/format --check
	scripts/check-targets

.PHONY: clean
clean: ## remove all build products, keep the installed requirements
	rm -rf .build .build-* Fuzz/.build $(BUILD) bindings/python/build bindings/python/dist bindings/python/*.egg-info
