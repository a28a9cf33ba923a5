"""A preload with a database that workers are to share."""

import os
import sqlite3

DATABASE = sqlite3.connect(os.environ["SHARED_DATABASE"])
DATABASE.execute("CREATE TABLE numbers (number INTEGER)")
DATABASE.commit()


def log_ahead():
    """Has two more files open from then on."""
    DATABASE.execute("PRAGMA journal_mode = WAL")
    DATABASE.execute("INSERT INTO numbers VALUES (0)")
    DATABASE.commit()


def add(number, own):
    """What the shared database has then; and all files that are open, with a database of the worker's own."""
    database = sqlite3.connect(own)
    database.execute("CREATE TABLE numbers (number INTEGER)")
    database.commit()
    DATABASE.execute("INSERT INTO numbers VALUES (?)", [number])
    DATABASE.commit()
    shared = [each for (each,) in DATABASE.execute("SELECT number FROM numbers ORDER BY number")]
    files = [os.path.realpath(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    return shared, [each for each in files if each.endswith(".db")]


def check():
    return DATABASE.execute("PRAGMA integrity_check").fetchone()[0]
