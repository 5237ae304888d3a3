# facesim serve, with a gallery at /gallery; compose.yaml shows how to run it, docs/serve.md what it does.
FROM python:3.11-slim AS build
COPY setup.cfg pyproject.toml README.md LICENSE /source/
COPY facesim /source/facesim
COPY models /source/models
RUN python -m venv /facesim && /facesim/bin/pip install --no-cache-dir "/source[serve,gallery]"

FROM python:3.11-slim
COPY --from=build /facesim /facesim
RUN useradd --uid 1000 --no-create-home facesim && install -d -o facesim -m 0700 /gallery
USER facesim
VOLUME /gallery
EXPOSE 8765
ENV PYTHONDONTWRITEBYTECODE=1
# 401 is an answer, too: the check has no token
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["/facesim/bin/python", "-c", "\
import http.client as h; c = h.HTTPConnection('127.0.0.1', 8765, timeout=4); c.request('GET', '/health'); \
assert c.getresponse().status in (200, 401)"]
ENTRYPOINT ["/facesim/bin/facesim", "serve", "--host", "0.0.0.0", "--token-file", "/run/secrets/token"]
CMD ["--gallery", "/gallery/people", "--write"]
