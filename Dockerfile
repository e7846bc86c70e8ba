FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/gridwarden \
    && /opt/gridwarden/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/gridwarden/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home gridwarden && install -d -o gridwarden /data
COPY --from=build /opt/gridwarden /opt/gridwarden
ENV PATH=/opt/gridwarden/bin:$PATH PYTHONUNBUFFERED=1 GRIDWARDEN_HOME=/data
USER gridwarden
EXPOSE 5000 8080
CMD ["gridwarden", "up", "--host", "0.0.0.0"]
