# One image for workers, the dashboard and the one-shot services.
#   docker build --build-arg BASE=python:3.12-slim .
ARG BASE=python:3.11-slim

# Our wheel; its tools stay behind.
FROM ${BASE} AS wheel
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY autoencoder_hpo autoencoder_hpo
COPY studies studies
COPY docs docs
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# The names of the packages alone: our code and version are not part of this layer's key.
FROM ${BASE} AS requirements
COPY pyproject.toml /
RUN python3 -c "import tomllib; print('\n'.join(tomllib.load(open('/pyproject.toml', 'rb'))['project']['dependencies']))" \
      > /requirements.txt

FROM ${BASE}
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TZ=UTC MPLCONFIGDIR=/data/matplotlib
WORKDIR /app
COPY --from=requirements /requirements.txt /opt/
COPY constraints.txt /opt/
# A layer of gigabytes: made again only when the packages change.
RUN pip install --no-cache-dir --no-compile -c /opt/constraints.txt -r /opt/requirements.txt \
    && useradd --uid 10001 --create-home hpo && install -d -o hpo /data
RUN --mount=from=wheel,source=/wheels,target=/wheels pip install --no-cache-dir --no-deps /wheels/*.whl
COPY studies studies

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="autoencoder-hpo" \
      org.opencontainers.image.description="Search for the denoising autoencoder that restores your images best" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER hpo
CMD ["autoencoder-hpo", "--help"]
