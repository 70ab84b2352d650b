# syntax=docker/dockerfile:1
# One image for every process: nobody's user, nothing to write but /tmp and /data, no compiler, no shell needed.
#
# The base is an exact tag. The workflow that builds for real looks up its digest first and puts that in its place
# (.github/workflows/image.yml), so that what runs is named by digests all the way down.
FROM python:3.13.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /app
COPY requirements.txt ./
# Wheels only, by hash: nothing of a dependency runs while it is installed.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: -r requirements.txt
COPY core core
COPY projections projections
COPY scanners scanners
COPY signers signers
COPY gateways gateways
COPY schema schema
# Compiled here: the file system of a container cannot be written.
RUN python -m compileall -q /app \
    && printf '#!/opt/venv/bin/python\nimport sys\nsys.path.insert(0, "/app")\nfrom gateways.__main__ import main\nmain()\n' > /opt/venv/bin/counterfoil \
    && chmod 0755 /opt/venv/bin/counterfoil

FROM python:3.13.13-slim-trixie
# Nobody's user, and the folders of one machine's data and keys, and of what both share; on AWS nothing is kept there.
RUN groupadd --gid 10001 counterfoil \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin counterfoil \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data /data/postgres-socket /data/signers /keys
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
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
