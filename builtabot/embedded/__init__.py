"""The product on one machine: its own Postgres and Valkey, every process, one supervisor.

Nothing here imports Django: these modules run before settings can be read.
"""
