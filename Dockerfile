# The gateway alone: one binary, no root, nothing written. `docker build -t token-gateway:local .`

FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY . .
# The caches hold compiled dependencies. Our own code is always compiled anew: a cache goes by times, and those of
# another checkout prove nothing.
RUN --mount=type=cache,id=token-gateway-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=token-gateway-target,target=/build/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo build --release --locked \
    && cp target/release/token-gateway /token-gateway

FROM debian:trixie-slim
# For rediss://.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /token-gateway /usr/local/bin/
USER 10001:10001
ENV BIND_ADDR=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["token-gateway"]
CMD ["serve"]
