"""The live page and its HTTP API, over the reader.

`server` has the routes; `security` says who may ask, `token` who knows the token. `api` answers once. `live` answers as long as
somebody listens, from `feeds` that are read once for all (`hub`).
"""
