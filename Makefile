# `make demo` and `make test` set everything up on a fresh machine: cargo 1.95, node 20, npm, python 3.11, and apt.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-peers build dist runtimes tools tools-rust tools-js tools-python tools-servers examples clean

WISP := target/release/wisp
# The release that wisp itself is made with.
WASMTIME := $(shell sed -n 's/^wasmtime = { version = "=\([0-9.]*\)".*/\1/p' Cargo.toml)

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: build examples ## Build the host and the examples, serve them, call each one
	@scripts/demo

test: tools tools-servers lint ## Everything that CI runs: format, lints, docs, all tests
	cargo build --release --workspace
	cargo test --release --workspace
	@scripts/test-sdks

lint: ## Format, lints, documentation
	cargo fmt --all --check
	@guest-sdk/js/build lint
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

bench: tools bench-peers ## Compare with other servers, in one run, and write bench/RESULTS.md
	cargo build --profile dist -p wisp -p wisp-bench
	target/dist/wisp-bench

# The servers that wisp is compared with. wasmtime's is compiled as wisp itself is for this, which takes minutes, once.
bench-peers: target/bench/peers/wasmtime-$(WASMTIME)/bin/wasmtime target/bench/peers/venv/bin/gunicorn

target/bench/peers/wasmtime-$(WASMTIME)/bin/wasmtime:
	CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	cargo install wasmtime-cli --version $(WASMTIME) --locked --no-default-features --root target/bench/peers/wasmtime-$(WASMTIME) \
		--target-dir target/bench/peers/build \
		--features run,serve,compile,cranelift,parallel-compilation,pooling-allocator,component-model-async

target/bench/peers/venv/bin/gunicorn: bench/peers/requirements.txt
	python3 -m venv target/bench/peers/venv
	target/bench/peers/venv/bin/pip install --quiet --requirement bench/peers/requirements.txt
	@touch $@

build: ## Build the host
	cargo build --release --workspace

dist: ## Build wisp as it is installed: optimized as a whole, which takes minutes, in target/dist
	cargo build --profile dist -p wisp

examples: build tools ## Build the examples' components
	$(WISP) build --config examples/wisp.toml

# Each SDK's own script builds its runtime; only what has changed since the last time is made again.
runtimes: tools-rust ## Build the language runtimes that sources are loaded into
	@guest-sdk/js/build packages
	@guest-sdk/js/build
	@guest-sdk/python/build

# Databases and brokers for the tests of functions and sources that use them.
tools-servers:
	@scripts/install-servers
	@scripts/install-brokers

tools: tools-rust tools-js tools-python runtimes ## Install what the guests are built with

# A Rust toolchain with a wasm32-wasip2 target needs nothing more; otherwise Debian's compiler and C library.
tools-rust:
	@scripts/install-rust-tools

tools-js: examples/node_modules/.package-lock.json

examples/node_modules/.package-lock.json: examples/package-lock.json
	npm ci --prefix examples --no-audit --no-fund
	@touch $@

tools-python: examples/.venv/bin/componentize-py

examples/.venv/bin/componentize-py: examples/requirements-build.txt
	python3 -m venv examples/.venv
	examples/.venv/bin/pip install --quiet --requirement examples/requirements-build.txt
	@touch $@

clean: ## Remove what was built
	cargo clean
	rm -rf .wisp examples/node_modules examples/.venv examples/target examples/*/*.wasm tests/guests/target
