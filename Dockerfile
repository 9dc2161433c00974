# ringtail in a container: docker build -t ringtail . && docker run --rm -p 4317:4317 -p 4318:4318 ringtail

FROM rust:1.95-bookworm AS build
WORKDIR /build

# The dependencies, compiled against an empty program: this layer lasts until the manifest, the lock or a bench changes.
# (The benches are not compiled, but the manifest names them.)
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
    && echo '//! Empty.' > src/lib.rs \
    && printf '//! Empty.\nfn main() {}\n' > src/main.rs \
    && cargo build --release --locked

COPY config config
COPY src src
# Copied files keep their times, which may be older than the empty program's.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked \
    && strip --strip-debug target/release/ringtail

FROM debian:bookworm-slim

# The roots that TLS to backends is verified against.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/ringtail /usr/local/bin/ringtail
COPY config/docker.yaml /etc/ringtail/config.yaml

USER 65532:65532
# OTLP over gRPC and HTTP, admin, Prometheus, health check.
EXPOSE 4317 4318 4319 8888 13133

# The admin extension is on unless the configuration says otherwise; with `admin: {enabled: false}` or another port run
# with --no-healthcheck. There is no curl in the image: bash speaks enough HTTP.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4319 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r answer <&3 && [[ $answer == *' 200 '* ]]"]

ENTRYPOINT ["ringtail"]
CMD ["--config", "/etc/ringtail/config.yaml"]
