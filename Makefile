# Every target installs what it lacks through the distribution's packages and says
# so (.ci/need), a new enough Go included (.ci/go).

GO := .ci/go
# The program is that of "go install ./cmd/lvsdr", static, stripped and told its version.
version := $(shell git describe --tags --always --dirty 2>/dev/null)
commit := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
flags := -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(version) -X main.commit=$(commit)"

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: build
build: ## bin/lvsdr, static
	@CGO_ENABLED=0 $(GO) build $(flags) -o bin/ ./cmd/lvsdr

.PHONY: guest
guest: ## bin/umlexec, which runs a command on a kernel with IPVS
	@CGO_ENABLED=0 $(GO) build $(flags) -o bin/ ./lvsdr/lab/umlexec

.PHONY: demo
demo: build guest ## a cluster comes up, serves, changes and goes, on a real kernel; FAULT=name: it breaks and is mended, FAULT=list: how; MACHINES=1: a real server with systemd
	@.ci/need demo $(if $(MACHINES),machines)
	@CGO_ENABLED=0 $(GO) build $(flags) -o bin/ ./lvsdr/lab/demo
	@bin/demo -lvsdr bin/lvsdr -guest bin/umlexec $(if $(FAULT),-fault=$(FAULT)) $(if $(MACHINES),-machines=.cache/fleet)

.PHONY: test
test: ## every test: in memory, in namespaces, on a kernel with IPVS
	@.ci/need test
	@.ci/test

.PHONY: package
package: ## a .deb and a .rpm of this machine's architecture, in bin/package
	@rm -rf bin/package
	@.ci/package bin/package $$(.ci/go env GOHOSTARCH)
	@ls bin/package

.PHONY: release
release: ## static binaries and packages for amd64 and arm64, their contents and sums, in bin/release; made twice and compared, and looked at
	@rm -rf bin/release bin/release.again
	@.ci/release bin/release
	@.ci/release bin/release.again
	@diff -r bin/release bin/release.again && rm -rf bin/release.again
	@.ci/released bin/release
	@cat bin/release/SHA256SUMS

.PHONY: bench
bench: build guest ## lvsdr beside ipvsadm, keepalived, moby/ipvs, nginx and haproxy, as tables
	@.ci/need bench
	@CGO_ENABLED=0 $(GO) build $(flags) -o bin/ ./lvsdr/lab/bench
	@CGO_ENABLED=0 $(GO) test -c -o bin/ipvs.test ./lvsdr/ipvs
	@.ci/bench

.PHONY: lint
lint: ## what CI checks besides
	@.ci/lint

.PHONY: clean
clean: ## what the other targets made
	rm -rf bin
	chmod -R u+w .cache 2>/dev/null; rm -rf .cache
