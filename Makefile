# libdama. `make demo` and `make test` are the two commands; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell sed -n 's/^\#define DAMA_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/dama/base.h | paste -sd.)
SOVERSION := $(shell sed -n 's/^\#define DAMA_ABI_VERSION //p' include/dama/base.h)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD := build
PYTHON := .deps/python/bin/python

# ONNX Runtime is opened at run time; the wheel in our own environment serves where the caller names no other.
# Looked for when a recipe runs, for on a fresh clone the environment is only made by then.
export DAMA_ONNXRUNTIME ?= $(shell ls $(CURDIR)/.deps/python/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.* 2>/dev/null | head -n 1)

# The flags that make libdama.so one self-contained file that exports dama_* alone. They cannot stand in Package.swift:
# unsafeFlags there would keep other packages from depending on a version of this one.
#  - static-stdlib puts the Swift runtime inside; lld, because GNU ld leaks Swift symbols through `local: *`;
#  - nodelete, because the Swift runtime does not survive dlclose.
# The command line shares the library's compiled modules: its flags may differ in -Xlinker alone.
SWIFT_BUILD := swift build -c release --scratch-path .build-so -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
SO_FLAGS := -Xlinker --version-script=$(CURDIR)/scripts/libdama.map \
	-Xlinker -soname=libdama.so.$(SOVERSION) -Xlinker -z -Xlinker nodelete
LIBRARY := $(BUILD)/lib/libdama.so.$(VERSION)
DIST := dama-$(VERSION)-linux-$(shell uname -m)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: bootstrap
bootstrap: ## install what building and testing need (once)
	@scripts/bootstrap

.PHONY: build
build: bootstrap ## libdama.so and the command line, into build/
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
demo: build build-world ## align a small LLaVA with DAMA and judge it, in minutes: build/demo/report.html
	scripts/demo $(BUILD) $(PYTHON)

.PHONY: reproduce
reproduce: build build-world ## the paper's tables in small: 15 methods, a grid, 5 seeds; hours, resumable: build/reproduce
	$(PYTHON) scripts/reproduce/reproduce.py --build $(BUILD) --out $(BUILD)/reproduce

# ----------------------------------------------------------------------------------------------------------------------
# Tests. Each part ends in a line `NAME: N passed, N failed`, or in its framework's own; .ci/run adds them up.

.PHONY: test
test: test-swift test-abi test-python test-install test-examples ## every test that needs no torch

# The newest runtime for all, and the oldest for what runs models, whose kernels are not the same.
.PHONY: test-swift
test-swift: bootstrap
	swift test
	scripts/test-runtimes oldest

.PHONY: test-runtimes
test-runtimes: bootstrap ## every test that runs a model, on five versions of ONNX Runtime and the newest
	swift build --build-tests
	scripts/bootstrap runtimes
	scripts/test-runtimes all

.PHONY: test-abi
test-abi: build
	Tests/ABI/run $(BUILD)

.PHONY: test-python
test-python: build
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python $(PYTHON) -m pytest -q bindings/python/tests Tests/Report
	cd bindings/python && $(CURDIR)/$(PYTHON) -m mypy --cache-dir $(CURDIR)/$(BUILD)/mypy
	MYPYPATH=scripts/report:scripts/reproduce:scripts $(PYTHON) -m mypy --strict --cache-dir $(BUILD)/mypy-report \
		scripts/report/report.py scripts/reproduce/reproduce.py scripts/generate_abi.py scripts/generate_settings.py

.PHONY: test-install
test-install: dist
	Tests/Install/run $(BUILD)/$(DIST).tar.gz

.PHONY: test-examples
test-examples: build
	Tests/Examples/run $(BUILD)

.PHONY: test-torch
test-torch: build ## tests and examples that compare with torch, in an environment of their own
	scripts/bootstrap torch
	swift build --product TrainingProcess
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python -m pytest -q bindings/python/tests Tests/Torch
	Tests/Examples/run $(BUILD)

.PHONY: test-smollm2
test-smollm2: build ## the part of test-torch that needs a real model, SmolLM2-135M-Instruct
	scripts/bootstrap torch
	DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python -m pytest -q -k smollm2 Tests/Torch

.PHONY: bench
bench: build ## speed and memory, beside torch and others
	scripts/bootstrap torch
	@for benchmark in Benchmarks/*.py; do echo "== $$benchmark"; \
		DAMA_LIBRARY=$(CURDIR)/$(BUILD)/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python $$benchmark || exit 1; done

# ----------------------------------------------------------------------------------------------------------------------
# Sanitizers and fuzzing

.PHONY: asan tsan ubsan
asan: bootstrap ## tests under AddressSanitizer and LeakSanitizer
	scripts/sanitize address
tsan: bootstrap ## tests under ThreadSanitizer
	scripts/sanitize thread
ubsan: bootstrap ## tests with the C parts under UndefinedBehaviorSanitizer
	scripts/sanitize undefined

SECONDS ?= 600
.PHONY: fuzz
fuzz: bootstrap ## fuzz the parsers: make fuzz [TARGET=JSON] [SECONDS=600]
	scripts/fuzz $(SECONDS) $(TARGET)

# ----------------------------------------------------------------------------------------------------------------------
# Installing

.PHONY: install
install: build install-only ## install below PREFIX (default /usr/local); DESTDIR is put before it

# Without building: what root can do after `make build` as a user.
.PHONY: install-only
install-only:
	scripts/install $(DESTDIR)$(PREFIX) $(VERSION) $(SOVERSION)

.PHONY: dist
dist: build ## relocatable archive of what install lays out
	rm -rf $(BUILD)/dist
	scripts/install $(BUILD)/dist/$(DIST) $(VERSION) $(SOVERSION)
	tar -C $(BUILD)/dist --owner=0 --group=0 --sort=name -czf $(BUILD)/$(DIST).tar.gz $(DIST)
	@echo $(BUILD)/$(DIST).tar.gz

# ----------------------------------------------------------------------------------------------------------------------
# Housekeeping

.PHONY: format
format: ## lay out the Swift code as .swift-format says
	scripts/format

.PHONY: lint
lint: ## fail where `make format` would change something
	scripts/format --check

.PHONY: clean
clean: ## remove what was built, keep what was installed
	rm -rf .build .build-* Fuzz/.build $(BUILD)
