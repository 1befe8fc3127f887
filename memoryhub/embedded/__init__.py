"""The embedded profile: a whole hub from one command, with its own PostgreSQL and Valkey.

The supervisor imports no Django. Modules that need it are run as processes, and import it when they run.
"""
