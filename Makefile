# Everyday verbs. There is no `clean`: nothing is left outside target/, and
# `cargo clean` empties that.

.PHONY: run demo test screenshots chaos bench fuzz deny fmt lint doc

# A server on SQLite in ./data, with its mail as files in ./data/outbox.
run:
	cargo run --locked -- serve

# Two people, a hub and a bundle, walked once through both loops.
demo:
	cargo run --locked --release -- demo

# Everything, from a machine with a Rust toolchain and apt to green.
# Part of it, without the lints: make test ARGS='--test api redeem'
test:
	tests/run $(ARGS)

# Pictures of every page, on a phone and on a desk, in the light and in the dark, in both
# languages, in target/screenshots. Those in docs/images: make screenshots ARGS=docs
screenshots:
	tests/run --screenshots $(ARGS)

# Once or not at all, under fire: a million redemptions on three replicas that are
# killed all the while. Some of it, with so many: make chaos ARGS='50000 restarts'
chaos:
	tests/run --chaos $(ARGS)

# How fast it is, beside what the database does by itself.
# One of them, briefly: make bench ARGS='redeem -- --quick'
bench:
	benches/run $(ARGS)

# The parsers under fuzzers, a minute each. One of them, for longer:
# make fuzz ARGS='token -max_total_time=600'
fuzz:
	fuzz/run $(ARGS)

# What comes in through dependencies: licences, sources, known vulnerabilities. It wants
# cargo-deny (`cargo install cargo-deny`), and the network for the latter.
deny:
	cargo deny check

fmt:
	cargo fmt

# What `make test` asks of the code before it runs any. The docs are built
# twice, for two readers: a link that a maintainer can follow may be dead for
# the one who sees only the public part.
lint: export RUSTDOCFLAGS = -D warnings
lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --features faults -- -D warnings
	cargo doc --locked --no-deps
	cargo doc --locked --no-deps --document-private-items

doc:
	cargo doc --locked --no-deps --document-private-items --open
