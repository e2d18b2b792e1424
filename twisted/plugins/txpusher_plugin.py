"""Makes ``twistd txpusher`` and ``twist txpusher`` known to Twisted.

Every ``twistd`` on the machine imports this file, before the reactor is chosen: it must import nothing of ours.
"""

from twisted.application.service import ServiceMaker

TxPusher = ServiceMaker(
    "txpusher",
    "txpusher.tap",
    "A realtime server that speaks the Pusher Channels protocol.",
    "txpusher",
)
