# Everyday commands. There is no `clean`: all files are below target/, which `cargo clean` deletes.

.PHONY: run setup demo test screenshots chaos bench fuzz deny fmt lint doc config-reference

# A server on SQLite in ./data that saves mails as files in ./data/outbox.
run:
	cargo run --locked -- serve

# Installs what the tests need, with apt: PostgreSQL, nginx, libfaketime, Valgrind, promtool, Chromium, Node.js, a
# Python environment in target/test-venv, and npm packages in target/test-node.
setup:
	tests/run --setup

# A server with two users, a hub and a bundle that runs the steps of both loops.
demo:
	cargo run --locked --release -- demo

# The lints and all tests. A part of the tests: make test ARGS='--test api redeem'
test: setup
	tests/run $(ARGS)

# Screenshots of every page in target/screenshots: phone and desktop, light and dark, both
# languages. The images in docs/images: make screenshots ARGS=docs
screenshots: setup
	tests/run --screenshots $(ARGS)

# A million redemptions on three replicas that are killed again and again; then the other long
# tests. Fewer redemptions and one test: make chaos ARGS='50000 restarts'
chaos: setup
	tests/run --chaos $(ARGS)

# Benchmarks, compared with the database alone. One of them, short: make bench ARGS='redeem -- --quick'
# The instructions of a request, beside their budgets: make bench ARGS=instructions
bench:
	benches/run $(ARGS)

# The fuzzers, one minute each. One of them, longer: make fuzz ARGS='token -max_total_time=600'
fuzz:
	fuzz/run $(ARGS)

# Licences, sources and known vulnerabilities of the dependencies. Needs cargo-deny
# (`cargo install cargo-deny`) and the network.
deny:
	cargo deny check

fmt:
	cargo fmt

# The checks that `make test` runs first. Only src has code that depends on the feature `faults`. rustdoc runs twice:
# a link to a private item is valid in the second run only.
lint: export RUSTDOCFLAGS = -D warnings
lint:
	! git grep -nE "^(<<<<<<<|>>>>>>>) "
	python3 tests/words.py
	python3 tests/comments.py
	python3 tests/layers.py
	cargo fmt --check
	cargo clippy --locked -- -D warnings
	cargo clippy --locked --all-targets --features faults -- -D warnings
	cargo doc --locked --no-deps
	cargo doc --locked --no-deps --document-private-items

doc:
	cargo doc --locked --no-deps --document-private-items --open

# Writes docs/reference/configuration.md from the table of keys in src/config/keys.rs.
config-reference:
	UPDATE_DOCS=1 cargo test --locked --lib config::reference
