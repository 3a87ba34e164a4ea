ARG BASE=python:3.11-slim
FROM ${BASE}
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 TZ=UTC
WORKDIR /app
# Packages first: a change of our code does not install torch again.
COPY pyproject.toml constraints.txt ./
RUN python3 -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml','rb'))['project']['dependencies']))" \
      > requirements.txt \
    && pip install -c constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY autoencoder_hpo autoencoder_hpo
RUN pip install --no-deps . && useradd --create-home hpo && mkdir /data && chown hpo /data
COPY studies studies
USER hpo
ENTRYPOINT ["autoencoder-hpo"]
