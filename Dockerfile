# One static binary on an empty image: no shell, no package manager, no C library.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" --tag entra-operator:0.1.0 .
#   buildah build --build-arg REVISION="$(git rev-parse HEAD)" --tag entra-operator:0.1.0 .      where no engine runs
#
# `buildah build --timestamp 0 --no-cache` gives the same image from the same sources; with `--layers` and without
# `--no-cache` it gives what was built before, with the old times. `cargo lab-image` builds twice and compares.
ARG BUILD_IMAGE=rust:1.95-bookworm
# `docker buildx build --sbom=true` lists the crates of Cargo.lock: the program names none.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
ARG REVISION=unknown
# On arm64: aarch64-unknown-linux-gnu.
ARG TARGET=x86_64-unknown-linux-gnu
# An explicit target keeps `crt-static` away from build scripts and procedural macros, which must be dynamic.
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    ENTRA_OPERATOR_REVISION="${REVISION}" \
    cargo build --release --locked --package entra-operator --bin entra-operator --target "${TARGET}" \
    && install -D -m 0555 "target/${TARGET}/release/entra-operator" /image/entra-operator \
    && install -D -m 0444 LICENSE /image/LICENSE \
    && deploy/third-party.sh "${TARGET}" >THIRD-PARTY \
    && install -D -m 0444 THIRD-PARTY /image/THIRD-PARTY \
    && install -D -m 0444 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=""
LABEL org.opencontainers.image.title="entra-operator" \
      org.opencontainers.image.description="Keeps Microsoft Entra ID access tokens fresh in Kubernetes Secrets, from one sign-in with user name and password" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="scratch"
COPY --from=build /image/ /
USER 65532:65532
EXPOSE 8081 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["/entra-operator"]
CMD ["run"]
