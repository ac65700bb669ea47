"""Predictions over HTTP: one model, with limits, batches and metrics.

It needs the extra `serve`: FastAPI, uvicorn and Prometheus's client.
"""
