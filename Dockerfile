# Builds with nothing from outside but the crates: libpq, OpenSSL and SQLite
# come as source (the default feature `bundled`), and the image has what that
# takes (a C compiler, make, perl). So the second stage installs no package.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin countersign

FROM debian:bookworm-slim
# A number rather than a name, so that `runAsNonRoot` can be checked. The
# directory exists beforehand and is the user's: a named volume mounted there
# takes that over.
RUN useradd --system --uid 10001 --user-group --no-create-home countersign \
    && install -d -o countersign -g countersign -m 0700 /var/lib/countersign/data
COPY --from=build /src/target/release/countersign /usr/local/bin/countersign
USER 10001:10001
WORKDIR /var/lib/countersign
# Inside a container, loopback is nobody's address but its own.
ENV BIND=0.0.0.0:8080
EXPOSE 8080
# No HEALTHCHECK: the image has no HTTP client. Orchestrators probe /healthz
# (the process) and /readyz (whatever it depends on) themselves.
ENTRYPOINT ["countersign"]
CMD ["serve"]
