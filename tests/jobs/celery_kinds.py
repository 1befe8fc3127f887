"""Included by the Celery worker of a test: makes the kinds of these tests known there."""

from tests.jobs import workers

workers.register_all()
