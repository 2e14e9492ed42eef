"""The trained head: whether a message's embedding reads like a request for a person.

`lines/<language>.tsv` holds what it learned from, `text<TAB>1` for a request and `0` for anything else, for native
speakers to mend; `manage.py train_head` fits it again and writes `head.json`.
"""
