"""Several processes on the same addresses: a parent that holds no clients, and the workers it keeps running.

The parent (`supervisor`) binds the addresses (`sockets`) and starts one `process` in each `slot`; a worker takes the
sockets over, and serves as one node of the cluster (`txpusher.worker`). They talk over pipes (`pipes`).
"""
