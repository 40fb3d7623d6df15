# What a person types. Every target installs what it needs and skips what is there.

CARGO ?= cargo
WEIR := target/release/weir

BUILD_PACKAGES := build-essential pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
TEST_PACKAGES := ffmpeg chromium fonts-dejavu-core gstreamer1.0-tools nginx-light curl openssl \
	iproute2 iputils-ping openjdk-17-jre-headless maven python3-venv gstreamer1.0-nice libgstreamer-plugins-bad1.0-dev \
	redis-server redis-sentinel
BENCH_PACKAGES := ffmpeg nginx-light libnginx-mod-rtmp util-linux

.PHONY: help run demo build web test check fmt lint fuzz bench need-build need-node need-test need-bench
.DEFAULT_GOAL := help

help:
	@echo "make run    build and start Weir; prints where to stream and watch"
	@echo "make demo   the same, with a moving test picture already streaming"
	@echo "make build  only build $(WEIR)"
	@echo "make test   every test, with real clients and servers"
	@echo "make bench  the load benches, beside nginx-rtmp; figures in bench/out"
	@echo "make fuzz   each fuzz target for 60 s (needs a nightly toolchain)"
	@echo "make check  format, clippy and the pages' type check"
	@echo "make lint   licences and sources of dependencies; the first time builds cargo-deny"

run: build
	$(WEIR) serve

demo: build
	scripts/demo $(WEIR)

build: need-build web
	$(CARGO) build --release --locked -p weir-server

# The pages, embedded into the binary.
web: web/dist/index.html

web/dist/index.html: web/package-lock.json $(shell find web/src web/api web/public web/index.html web/vite.config.ts -type f 2>/dev/null)
	$(MAKE) need-node
	cd web && npm ci --no-audit --no-fund && npm run build
	@touch $@

test: need-build need-test web
	cd web && npm run check && npm test
	cd tests/e2e/browser && npm ci --no-audit --no-fund
	tests/tools/prepare
	tests/services/oidc-provider/start --install
	$(CARGO) build --locked --workspace --all-targets
	$(CARGO) test --locked --workspace --all-targets

check: need-build web
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	cd web && npm run check

fmt:
	$(CARGO) fmt --all

# Licences, sources and duplicates of dependencies (deny.toml).
lint:
	command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	cargo deny --workspace check licenses bans sources

fuzz: need-build
	tests/fuzz/run 60

bench: build need-bench
	$(CARGO) build --release --locked -p weir-bench
	bench/run.sh

need-build:
	scripts/need $(BUILD_PACKAGES)

need-test: need-node
	scripts/need $(TEST_PACKAGES)

need-bench:
	scripts/need $(BENCH_PACKAGES)

# Debian's Node, unless one that is new enough is there.
need-node:
	node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1 || scripts/need nodejs npm
