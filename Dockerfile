# The service without embedded servers: PostgreSQL and Redis are given by HUFU_DATABASE_URL and HUFU_REDIS_URL.
FROM python:3.11-slim-bookworm AS build
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/hufu \
    && /opt/hufu/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.txt \
    && /opt/hufu/bin/pip uninstall --yes --quiet pip setuptools \
    && find /opt/hufu -name __pycache__ -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
# Serif faces for looks, and faces with the rare characters of names.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates fonts-noto-cjk fonts-babelstone-han fonts-hanazono \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hufu \
    && install --directory --owner=hufu --group=hufu --mode=0700 /var/lib/hufu /run/hufu
COPY --from=build /opt/hufu /opt/hufu
WORKDIR /app
COPY foundation foundation
COPY keys keys
COPY idp idp
COPY signing signing
COPY licence_vault licence_vault
COPY verification verification
COPY api api
COPY hufu hufu
COPY migrations migrations
COPY LICENSE LICENSE
ENV PATH=/opt/hufu/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HUFU_PROFILE=production \
    HUFU_HOST=0.0.0.0 \
    HUFU_PORT=8000 \
    HUFU_DATA_DIRECTORY=/var/lib/hufu
USER hufu
VOLUME /var/lib/hufu
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['HUFU_PORT']}/readyz\", timeout=2)"]
ENTRYPOINT ["python", "-m", "hufu"]
CMD ["serve"]
