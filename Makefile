# make run                        demo cameras, server, a token and three commands to try
# make run FOOTAGE=dir            your own clips as cameras
# make run CAMERAS="rtsp://…"     real cameras
# make test                       the whole suite
# make lint                       formatting, clippy, docs, licences

.PHONY: run test lint setup setup-test

run: setup
	@cargo build --release
	@exec target/release/pingan demo $(if $(FOOTAGE),--footage '$(FOOTAGE)') $(foreach url,$(CAMERAS),--camera '$(url)')

test: setup-test
	cargo test
	scripts/evaluate

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items
	cargo fetch --locked
	cargo deny --offline check bans licenses sources

setup:
	@scripts/setup

setup-test:
	@scripts/setup test
