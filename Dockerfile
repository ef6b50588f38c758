# The gateway alone: one binary, no root, nothing written. `docker build -t token-gateway:local .`
# Then `docker run --rm -p 127.0.0.1:8080:8080 token-gateway:local dev` tries it out.

# An SBOM of the image also lists the crates of Cargo.lock, by a look at the build context.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

# BLANK: digest of rust:1.95-slim-trixie
FROM rust:1.95-slim-trixie AS build
WORKDIR /build
# The dependencies are a layer of their own, and are compiled anew only when one of them changes. Cargo wants every target
# that Cargo.toml names to have a file, and so does every crate of the workspace.
COPY Cargo.toml Cargo.lock ./
COPY crates/core/Cargo.toml crates/core/
COPY crates/redis-link/Cargo.toml crates/redis-link/
COPY crates/testkit/Cargo.toml crates/testkit/
COPY crates/verify/Cargo.toml crates/verify/
RUN for file in src/lib.rs src/main.rs $(sed -n 's/^path = "\(.*\)"$/\1/p' Cargo.toml) \
            $(ls crates/*/Cargo.toml | sed 's|Cargo.toml$|src/lib.rs|'); do \
        mkdir -p "$(dirname "$file")" && echo 'fn main() {}' >"$file"; \
    done \
    && cargo build --release --locked
COPY . .
# Newer than what was compiled in their place.
RUN touch src/lib.rs src/main.rs crates/*/src/lib.rs \
    && cargo build --release --locked \
    && cp target/release/token-gateway /token-gateway

# BLANK: digest of debian:13.6-slim
FROM debian:13.6-slim
# Blank where they are not told: `docker build --build-arg REVISION="$(git rev-parse HEAD)" …`
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="token-gateway" \
      org.opencontainers.image.description="A Redis-backed token gateway: JWT access tokens, rotated refresh tokens, reuse detection, logout everywhere." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
# For rediss://.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /token-gateway /usr/local/bin/
USER 10001:10001
# All addresses. Platforms that choose the port set PORT themselves; BIND_ADDR wins over it.
ENV PORT=8080
EXPOSE 8080
ENTRYPOINT ["token-gateway"]
CMD ["serve"]
