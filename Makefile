# make test   everything: checks, race tests, JavaScript, fuzzing, browsers
# make check  the same without fuzzing and a browser
# make help   the rest
#
# Each target installs what it needs and stops at the first failure. Go, Node
# and apt are all that must be there before.

SHELL       := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
MAKEFLAGS   += --no-print-directory

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
CHROMIUM    ?= /usr/bin/chromium-headless-shell
FUZZTIME    ?= 30s
BENCH       ?= .
PKG         ?= ./...

# CI runs every test; by hand, Go may take the result of an unchanged package
# from its cache.
GOTEST := go test -race $(if $(CI),-count=1)
NPM_CI := npm ci --no-audit --no-fund --loglevel=error

# Each part begins with a line that says how long it has been since the start.
STARTED := $(shell date +%s)
begin    = TZ=UTC printf '\n==> %(%M:%S)T %s\n' $$(($$(date +%s) - $(STARTED))) "$(1)"
section  = @$(begin)

.PHONY: help test check format vet lint tidy race js node browser bench gobench fuzz clean

help:
	@printf '%s\n' \
	  'make test      everything (what CI runs)' \
	  'make check     everything but fuzzing and the browser' \
	  'make format vet lint tidy race js node browser    one part of it' \
	  'make bench     next to other servers   (BENCH=regexp BENCHFLAGS="-rounds 5")' \
	  'make gobench   Go benchmarks           (BENCH=regexp PKG=./hub)' \
	  'make fuzz      every fuzz target       (FUZZTIME=30s PKG=./negotiate)' \
	  'make clean     remove what was installed and built here'

# A number of inputs, not a time: the same on every machine.
test: FUZZTIME = 2000x
test: check fuzz browser
	$(call section,all passed)

check: format vet lint tidy race js node

format:
	$(call section,gofmt)
	@unformatted="$$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0r gofmt -l)"; \
	if [ -n "$$unformatted" ]; then \
	  printf 'gofmt would change:\n%s\nRun: gofmt -w .\n' "$$unformatted" >&2; exit 1; \
	fi

vet:
	$(call section,go vet)
	@go vet ./...

# The version is pinned; it is built once and then comes from Go's cache.
lint:
	$(call section,staticcheck)
	@go run $(STATICCHECK) ./...

tidy:
	$(call section,go mod tidy)
	@go mod tidy -diff || { echo 'go.mod or go.sum is not tidy. Run: go mod tidy' >&2; exit 1; }

# The faults take more than a minute, most of which they wait: first, beside the others.
race:
	$(call section,go test -race)
	@$(GOTEST) $(if $(filter ./...,$(PKG)),./test/faults) $(PKG)

js: jsclient/node_modules/.installed
	$(call section,jsclient)
	@cd jsclient && npm run --silent check

node: test/node/node_modules/.installed
	$(call section,the official Core clients in Node)
	@cd test/node && npm run --silent test

browser: test/node_modules/.installed $(CHROMIUM)
	$(call section,browser tests)
	@cd test && CHROMIUM='$(CHROMIUM)' npm run --silent test

# A folder of npm packages is installed anew when its lock file changed.
%/node_modules/.installed: %/package-lock.json %/package.json
	$(call section,npm ci in $*)
	@cd $* && $(NPM_CI) && touch node_modules/.installed

# Chromium comes from the distribution, built without windows: it opens a page at a
# quarter of the cost. No package downloads a browser of its own.
$(CHROMIUM):
	$(call section,installing Chromium)
	@command -v apt-get >/dev/null || { \
	  echo 'No Chromium at $(CHROMIUM), and no apt-get to install it. Say where one is: make CHROMIUM=/path' >&2; exit 1; }
	@as_root=; [ "$$(id -u)" = 0 ] || as_root='sudo -n'; \
	$$as_root apt-get update -qq && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(notdir $(CHROMIUM)) </dev/null >/dev/null
	@test -x '$(CHROMIUM)' || { echo 'apt-get installed no $(CHROMIUM)' >&2; exit 1; }

# Servers side by side under the same load: docs/performance.md.
bench: bench/node/node_modules/.installed
	$(call section,servers side by side)
	@cd bench && go run ./compare -run='$(BENCH)' $(BENCHFLAGS)

gobench:
	$(call section,benchmarks)
	@go test -run='^$$' -bench='$(BENCH)' -benchmem $(PKG)

# One target is fuzzed at a time; the tests of a package are built once for all of its own.
fuzz:
	@built="$$(mktemp -d)"; trap 'rm -r "$$built"' EXIT; cache="$$(go env GOCACHE)/fuzz"; \
	go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' $(PKG) | while read -r package folder; do \
	  targets="$$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$$folder"/*_test.go)"; \
	  [ -n "$$targets" ] || continue; \
	  go test -c -fuzz=. -o "$$built/test" "$$package"; \
	  for target in $$targets; do \
	    $(call begin,$$package $$target for $(FUZZTIME)); \
	    (cd "$$folder" && "$$built/test" -test.run='^$$' -test.fuzz="^$$target$$" -test.fuzztime='$(FUZZTIME)' \
	      -test.fuzzcachedir="$$cache/$$package" </dev/null); \
	  done; \
	done

clean:
	@rm -rf jsclient/node_modules test/node_modules test/node/node_modules bench/node/node_modules
