"""One module per Socket.IO namespace: parse at the edge, one line of service, an ack or an event back.

Each has a class of handlers and, as ``handlers()``, the table of its events. ``door`` opens a namespace from such
tables, ``wire`` reads payloads and answers, ``handshake`` reads what comes with CONNECT, ``links`` leads down to
extensions.
"""
