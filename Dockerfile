FROM python:3.11-slim

# Log lines appear as they are written; no byte code is written into a layer of its own.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# A fixed number, so that a cluster can require it not to be root.
RUN useradd --create-home --uid 10001 cloutstream

COPY pyproject.toml README.md LICENSE /src/
COPY streams /src/streams
COPY agents /src/agents
RUN pip install --no-cache-dir /src && rm -rf /src

USER 10001
WORKDIR /home/cloutstream

# Exec form: the worker is process 1 and gets SIGTERM itself.
CMD ["cloutstream", "worker"]
